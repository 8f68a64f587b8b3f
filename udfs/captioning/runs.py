"""Runs of equal values in sorted arrays."""

import numpy as np
from numpy.typing import NDArray


def runs(values: NDArray[np.int64] | NDArray[np.int32]) -> list[tuple[int, int]]:
    """(start, end) of each run of equal values."""
    if not values.size:
        return []
    starts = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist()]
    return list(zip(starts, [*starts[1:], values.size], strict=True))
