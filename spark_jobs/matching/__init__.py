"""Find the entries of a concept bank in captions."""
