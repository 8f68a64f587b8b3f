"""The error for invalid input that is only detected in a task."""


class TaskInputError(ValueError):
    """Invalid input; the message is one line, which the driver shows to the user."""
