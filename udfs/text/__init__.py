"""Text rules: cut captions into tokens and find the entries of a concept bank among them."""
