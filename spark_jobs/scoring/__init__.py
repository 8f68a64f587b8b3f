"""Score captions by their similarity to definitions of their synsets, or to their images."""
