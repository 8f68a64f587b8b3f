"""Exact de-duplication: keep one row of each group of equal captions or urls."""
