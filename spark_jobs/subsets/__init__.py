"""Subsets by class: how many rows of each, and which."""
