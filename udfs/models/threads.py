"""Threads of a Python worker: as many as its task has CPUs."""

import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

from udfs.tasks import task_cpus

# A thread that tells a GPU what to do waits for Python's lock at each step, 5 ms by default.
_SWITCH_INTERVAL_S = 5e-5
T = TypeVar("T")
R = TypeVar("R")


def map_in_threads(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """`function` of each item, in order; must not be called from within itself."""
    return list(_pool(task_cpus()).map(function, items))


@lru_cache(maxsize=1)
def _pool(n_threads: int) -> ThreadPoolExecutor:
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    return ThreadPoolExecutor(n_threads, thread_name_prefix="captionlake")
