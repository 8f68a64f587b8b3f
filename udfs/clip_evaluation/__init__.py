"""Measures of a CLIP model: zero-shot classification and retrieval."""
