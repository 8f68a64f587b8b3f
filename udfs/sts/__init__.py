"""Semantic textual similarity: files of scored pairs, and how encoders are measured by them."""
