"""Lists of ids, as Arrow arrays."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled


def rows_of(lists: pa.ListArray) -> NDArray[np.int64]:
    """The row of each value, (n_values,)."""
    return np.repeat(np.arange(len(lists)), np.diff(lists.offsets.to_numpy()))


def with_more(found: pa.ListArray, rows: NDArray[np.int64], ids: NDArray[np.int32]) -> pa.ListArray:
    """The lists with further ids, each at its row, ascending again; each is new to its row."""
    if not rows.size:
        return found
    rows = np.concatenate([rows_of(found), rows])
    ids = np.concatenate([found.values.to_numpy(), ids])
    order = np.lexsort((ids, rows))
    offsets = np.searchsorted(rows[order], np.arange(len(found) + 1)).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(ids[order]))


def merged(some: pa.ListArray, others: pa.ListArray) -> pa.ListArray:
    """The ids of both in each row, ascending; both are, and no id is in both."""
    offsets, ids = _merge(
        some.offsets.to_numpy(),
        some.values.to_numpy(),
        others.offsets.to_numpy(),
        others.values.to_numpy(),
    )
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(ids))


@compiled
def _merge(some_offsets, some, other_offsets, others):
    ids = np.empty(some.size + others.size, np.int32)
    n = 0
    for row in range(some_offsets.size - 1):
        a, b = some_offsets[row], other_offsets[row]
        while a < some_offsets[row + 1] or b < other_offsets[row + 1]:
            if b == other_offsets[row + 1] or (a < some_offsets[row + 1] and some[a] < others[b]):
                ids[n] = some[a]
                a += 1
            else:
                ids[n] = others[b]
                b += 1
            n += 1
    return some_offsets + other_offsets, ids
