"""Checks of where outputs may be written, and atomic replacement of folders and files."""
