"""The fault of an input that only a task meets."""


class TaskInputError(ValueError):
    """An input that a task cannot take: one line for people, which the driver hands on."""
