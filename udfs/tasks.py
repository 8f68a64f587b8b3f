"""What a task knows of itself."""


def task_number() -> int:
    """The number of this task's partition, 0 outside of a task."""
    from pyspark import TaskContext

    context = TaskContext.get()
    return 0 if context is None else context.partitionId()
