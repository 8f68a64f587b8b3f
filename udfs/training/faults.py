"""The error of readers of snapshots."""

from udfs.task_errors import TaskInputError


class SnapshotError(TaskInputError):
    """A snapshot that is not as its manifest says, or a reader that does not fit it; one line."""
