"""Normalise captions of any input: column names and types, uids, invalid text, rejected rows."""
