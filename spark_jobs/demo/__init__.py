"""The demo: captions made from ImageNet's vocabulary, and a summary of their balancing."""
