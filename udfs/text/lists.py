"""Arrow arrays with a list of ids in each row."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled


def rows_of(lists: pa.ListArray) -> NDArray[np.int64]:
    """The row of each value, (n_values,)."""
    return np.repeat(np.arange(len(lists)), np.diff(lists.offsets.to_numpy()))


def add_ids(lists: pa.ListArray, rows: NDArray[np.int64], ids: NDArray[np.int32]) -> pa.ListArray:
    """Add each id to the list at its row, in ascending order; no id may be in its list already."""
    if not rows.size:
        return lists
    rows = np.concatenate([rows_of(lists), rows])
    ids = np.concatenate([lists.values.to_numpy(), ids])
    order = np.lexsort((ids, rows))
    offsets = np.searchsorted(rows[order], np.arange(len(lists) + 1)).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(ids[order]))


def merge_lists(left: pa.ListArray, right: pa.ListArray) -> pa.ListArray:
    """Merge two lists of ids in each row, both ascending and without a common id."""
    offsets, ids = _merge(
        left.offsets.to_numpy(),
        left.values.to_numpy(),
        right.offsets.to_numpy(),
        right.values.to_numpy(),
    )
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(ids))


@compiled
def _merge(left_offsets, left, right_offsets, right):
    """(offsets (n_rows + 1,), ids) of the merged lists."""
    ids = np.empty(left.size + right.size, np.int32)
    n = 0
    for row in range(left_offsets.size - 1):
        i, k = left_offsets[row], right_offsets[row]
        while i < left_offsets[row + 1] or k < right_offsets[row + 1]:
            if k == right_offsets[row + 1] or (i < left_offsets[row + 1] and left[i] < right[k]):
                ids[n] = left[i]
                i += 1
            else:
                ids[n] = right[k]
                k += 1
            n += 1
    return left_offsets + right_offsets, ids
