"""Properties of the running task."""


def task_number() -> int:
    """The partition number of this task, 0 outside of a task."""
    from pyspark import TaskContext

    context = TaskContext.get()
    return 0 if context is None else context.partitionId()
