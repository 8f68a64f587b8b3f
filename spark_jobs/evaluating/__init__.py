"""Evaluate CLIP models on labelled images."""
