"""The decile of a caption's rarest concept."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction
from udfs.task_errors import TaskInputError
from udfs.text.lists import rows_of

_NONE = 127  # above all deciles


def entry_deciles(counts: NDArray[np.int64]) -> NDArray[np.int8]:
    """The decile, 1 (rarest) to 10, of each entry among those that occur, by its count.

    Entries of equal counts are in one decile, the lowest of their ranks; those of count 0 are in
    the first.
    """
    occurring = np.sort(counts[counts > 0])
    ranks = np.searchsorted(occurring, counts, side="left")
    return (1 + np.minimum(10 * ranks // max(1, occurring.size), 9)).astype(np.int8)


def with_decile(deciles: NDArray[np.int8], entry_ids: str, decile: str) -> BatchFunction:
    """For mapInArrow: adds column `decile`, `decile 01` to `decile 10`, of the rarest entry.

    Null for a caption without entries. Raises TaskInputError for an id outside of `deciles`.
    """

    def add_decile(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            lists = batch.column(batch.schema.get_field_index(entry_ids))
            rows = rows_of(lists)
            ids = lists.flatten().to_numpy(zero_copy_only=False)
            if ids.size and not (ids.min() >= 0 and ids.max() < deciles.size):
                raise TaskInputError(
                    f"column {entry_ids!r} has an id outside of 0 to {deciles.size - 1}: the entry "
                    "counts are of another bank"
                )
            lowest = np.full(batch.num_rows, _NONE, np.int64)
            np.minimum.at(lowest, rows, deciles[ids])
            names = [None if k == _NONE else f"decile {k:02d}" for k in lowest.tolist()]
            columns = [*batch.columns, pa.array(names, pa.string())]
            yield pa.RecordBatch.from_arrays(columns, [*batch.schema.names, decile])

    return add_decile
