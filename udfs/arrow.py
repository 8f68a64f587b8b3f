"""What mapInArrow takes and gives."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import pyarrow as pa

Batches: TypeAlias = Iterable[pa.RecordBatch]
BatchFunction: TypeAlias = Callable[[Batches], Iterator[pa.RecordBatch]]
