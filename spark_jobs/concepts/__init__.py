"""Concept banks: the sources of entries, faulty entries, and entry ids."""
