"""Where outputs may be written, and how folders and files get there whole or not at all."""
