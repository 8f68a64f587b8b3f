"""Captions made by models: which are wanted and accepted, and how they measure."""
