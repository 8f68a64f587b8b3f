"""Nearest-neighbour search over vectors, and class assignments from its results."""
