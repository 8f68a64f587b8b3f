"""Label captions with the synsets whose lemmas occur in them."""
