"""Similarities of captions, to definitions of their synsets and to images."""
