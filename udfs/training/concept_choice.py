"""Choose b rows of a super-batch by the concepts that they have (Ghosh et al. 2026).

A greedy choice of the paper's two aims, many concepts in a batch and many concepts a row, and of a
third, a distribution of concepts. Its gains are whole numbers, so that equal ones are equal, and
never grow while rows are chosen; a heap of gains as they were last seen therefore finds each step's
best row after looking at few.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled

PAPERS = (
    "CABS, CABS-DM: rows of a super-batch that cover its concepts, each up to a target count",
    "CABS, CABS-FM: the rows of a super-batch with most concepts",
    "CABS, target distributions: rows whose concepts come near to given shares",
)
_UNIT = 1024  # of target counts, of which most are below one


@dataclass(frozen=True)
class Concepts:
    """The distinct concepts of each row: those of row i are ids[starts[i] : starts[i + 1]].

    `ids`: positions in `entry_ids`, the ids that occur, sorted.
    """

    starts: NDArray[np.int64]
    ids: NDArray[np.int64]
    entry_ids: NDArray[np.int64]


def distinct_concepts(lists: pa.Array) -> Concepts:
    """The concepts of an array of lists of entry ids; null is a row without any."""
    values = np.asarray(lists.flatten(), np.int64)
    lengths = np.asarray(lists.value_lengths().fill_null(0), np.int64)
    rows = np.repeat(np.arange(len(lists)), lengths)
    entry_ids, ids = np.unique(values, return_inverse=True)
    pairs = np.unique(rows * max(len(entry_ids), 1) + ids)
    row_of_pair, id_of_pair = np.divmod(pairs, max(len(entry_ids), 1))
    starts = np.searchsorted(row_of_pair, np.arange(len(lists) + 1))
    return Concepts(starts, id_of_pair, entry_ids)


def most_concepts(concepts: Concepts, keep: int, ranks: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows with most distinct concepts, ascending, shape (keep,); equal ones by rank."""
    n_concepts = np.diff(concepts.starts)
    return np.sort(np.lexsort((ranks, -n_concepts))[:keep])


def most_covered(
    concepts: Concepts, keep: int, ranks: NDArray[np.int64], target_count: int
) -> NDArray[np.int64]:
    """Rows chosen one by one for the concepts that they add, ascending, shape (keep,).

    A row adds, for each of its concepts, what is missing of `target_count` in the rows chosen so
    far; of equal rows the first by rank is taken.
    """
    targets = np.full(len(concepts.entry_ids), target_count, np.int64)
    return np.sort(_choose(concepts.starts, concepts.ids, targets, ranks, keep, False))


def nearest_to_target(
    concepts: Concepts, keep: int, ranks: NDArray[np.int64], shares: Mapping[int, float]
) -> NDArray[np.int64]:
    """Rows chosen one by one so that the counts of concepts come near to target counts.

    `shares`: entry id -> its share of all concepts of the rows, of any sum; others have 0. A target
    count is a share of the concepts that `keep` average rows have. Each step takes the row after
    which the squared differences of counts and targets sum to least.
    """
    asked = np.array([shares.get(int(entry), 0.0) for entry in concepts.entry_ids])
    total = sum(shares.values())
    expected = keep * len(concepts.ids) / max(len(concepts.starts) - 1, 1)
    targets = np.rint(asked / total * expected * _UNIT).astype(np.int64)
    return np.sort(_choose(concepts.starts, concepts.ids, targets, ranks, keep, True))


def even_count(concepts: Concepts, keep: int) -> int:
    """The count of each concept if the concepts of `keep` average rows were spread evenly."""
    n_rows, n_concepts = len(concepts.starts) - 1, len(concepts.entry_ids)
    return max(1, -(-keep * len(concepts.ids) // max(n_rows * n_concepts, 1)))


@compiled
def _choose(
    starts: NDArray[np.int64],
    ids: NDArray[np.int64],
    targets: NDArray[np.int64],
    ranks: NDArray[np.int64],
    keep: int,
    to_shares: bool,
) -> NDArray[np.int64]:
    """Rows in the order in which they are chosen.

    The gain of a concept that n chosen rows have is max(0, target - n), or with `to_shares` how
    much less one more makes the squared difference of n and target, in units of 1/1024.
    """
    n_rows = len(starts) - 1
    counts = np.zeros(len(targets), np.int64)
    # A heap of (gain, rank) in one number each, the largest first, and the rows that they are of.
    heap, rows = np.zeros(n_rows, np.int64), np.zeros(n_rows, np.int64)
    size = 0
    chosen, n_chosen = np.zeros(min(keep, n_rows), np.int64), 0
    for row in range(n_rows):
        gain = np.int64(0)
        for place in range(starts[row], starts[row + 1]):
            target = targets[ids[place]]
            gain += 2 * target - 1024 if to_shares else target
        key = gain * n_rows + (n_rows - 1 - ranks[row])
        child = size
        size += 1
        while child > 0 and heap[(child - 1) >> 1] < key:
            heap[child], rows[child] = heap[(child - 1) >> 1], rows[(child - 1) >> 1]
            child = (child - 1) >> 1
        heap[child], rows[child] = key, row
    while n_chosen < len(chosen):
        row = rows[0]
        gain = np.int64(0)
        for place in range(starts[row], starts[row + 1]):
            target, count = targets[ids[place]], counts[ids[place]]
            if to_shares:
                gain += 2 * (target - 1024 * count) - 1024
            elif count < target:
                gain += target - count
        key = gain * n_rows + (n_rows - 1 - ranks[row])
        if key == heap[0]:
            chosen[n_chosen] = row
            n_chosen += 1
            for place in range(starts[row], starts[row + 1]):
                counts[ids[place]] += 1
            size -= 1
            key, row = heap[size], rows[size]
        # The root's place is free: what belongs there sinks to its own.
        parent = 0
        while True:
            child = 2 * parent + 1
            if child >= size:
                break
            if child + 1 < size and heap[child + 1] > heap[child]:
                child += 1
            if heap[child] <= key:
                break
            heap[parent], rows[parent] = heap[child], rows[child]
            parent = child
        if size > 0:
            heap[parent], rows[parent] = key, row
    return chosen
