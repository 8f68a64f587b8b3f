"""Captions that a language model writes: which are wanted, and which of them are accepted."""
