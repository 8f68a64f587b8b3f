"""One row of each group of equal captions or urls."""
