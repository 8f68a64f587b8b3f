"""Captions that a model writes around concepts (SynthCLIP), and measures of captions."""
