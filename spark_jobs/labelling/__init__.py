"""Captions get the synsets whose lemmas they hold."""
