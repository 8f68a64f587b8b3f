"""Two subsets of captions side by side."""
