"""Kernels of balancing, on Arrow lists of entry ids."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def keep_probability(
    entry_ids: pa.ListArray, match_probability: NDArray[np.float64]
) -> NDArray[np.float64]:
    """1 - prod(1 - p) for each list of ids, shape (n_rows,); an empty or null list gives 0."""
    starts = (
        np.asarray(entry_ids.offsets) - entry_ids.offsets[0].as_py()
    )  # a slice keeps its parent's
    filled = np.flatnonzero(np.diff(starts))
    kept = np.zeros(len(entry_ids))
    if filled.size:
        missed = 1.0 - match_probability[np.asarray(entry_ids.flatten())]
        kept[filled] = 1.0 - np.multiply.reduceat(missed, starts[:-1][filled])
    return kept


class EntryCounter:
    """Counts of each entry id over the batches of a task; grows to the largest id seen."""

    def __init__(self) -> None:
        self._counts = np.zeros(0, np.int64)

    def add(self, entry_ids: pa.ListArray) -> None:
        """Count the ids of a batch of lists."""
        counted = np.bincount(np.asarray(entry_ids.flatten()))
        if counted.size > self._counts.size:
            self._counts.resize(max(counted.size, 2 * self._counts.size), refcheck=False)
        self._counts[: counted.size] += counted

    def counts(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The ids seen, ascending, and how often."""
        seen = np.flatnonzero(self._counts)
        return seen.astype(np.int32), self._counts[seen]
