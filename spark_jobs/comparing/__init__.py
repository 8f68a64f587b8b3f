"""Compare two subsets of captions."""
