"""Unit vectors of texts and images."""
