"""Captions are retrieved for a task by text queries, a query a class."""
