"""Runs of equal values in sorted arrays."""

import numpy as np
from numpy.typing import NDArray


def runs(values: NDArray[np.int64] | NDArray[np.int32]) -> list[tuple[int, int]]:
    """(start, end) of each run of equal values."""
    if not values.size:
        return []
    starts = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist()]
    return list(zip(starts, [*starts[1:], values.size], strict=True))


def first_of_pairs(
    keys: NDArray[np.uint64] | NDArray[np.int64], groups: NDArray[np.int64] | NDArray[np.int32]
) -> NDArray[np.int64]:
    """Places of one of each distinct pair (key, group), by group and then key."""
    order = np.lexsort((keys, groups))
    keys, groups = keys[order], groups[order]
    is_first = np.ones(keys.size, bool)
    is_first[1:] = (keys[1:] != keys[:-1]) | (groups[1:] != groups[:-1])
    return np.asarray(order[is_first])
