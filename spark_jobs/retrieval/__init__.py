"""Retrieve captions for the classes of a task by text queries, one per class."""
