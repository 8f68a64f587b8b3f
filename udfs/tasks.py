"""Properties of the running task."""

import os


def task_number() -> int:
    """The partition number of this task, 0 outside of a task."""
    from pyspark import TaskContext

    context = TaskContext.get()
    return 0 if context is None else context.partitionId()


def task_cpus() -> int:
    """CPUs that Spark gave this task (spark.task.cpus); all of the process outside of a task."""
    from pyspark import TaskContext

    context = TaskContext.get()
    return len(os.sched_getaffinity(0)) if context is None else context.cpus()
