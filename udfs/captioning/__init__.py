"""Captions that a language model writes around concepts (SynthCLIP's first step)."""
