"""Rules that rows must pass."""
