"""Nearest vectors, and what follows from them."""
