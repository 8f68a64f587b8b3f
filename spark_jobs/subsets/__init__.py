"""Subsets by class: how many rows of each class to keep, and which."""
