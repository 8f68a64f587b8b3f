"""Lists of ids, as Arrow arrays."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


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
