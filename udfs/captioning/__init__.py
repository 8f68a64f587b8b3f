"""Measures of captions: their tokens and n-grams, BLEU, CIDEr-D, and bootstrap sums."""
