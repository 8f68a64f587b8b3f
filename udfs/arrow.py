"""What mapInArrow takes and gives."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import pyarrow as pa

Batches: TypeAlias = Iterable[pa.RecordBatch]
BatchFunction: TypeAlias = Callable[[Batches], Iterator[pa.RecordBatch]]


def chained(first: BatchFunction, second: BatchFunction) -> BatchFunction:
    """The function of mapInArrow that hands what the first gives to the second."""

    def both(batches: Batches) -> Iterator[pa.RecordBatch]:
        return second(first(batches))

    return both
