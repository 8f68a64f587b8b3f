"""The quick start: captions made from ImageNet's vocabulary, and what balancing did to them."""
