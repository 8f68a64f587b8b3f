"""Find the nearest hashes of a few sets, by Hamming distance, through an index of their bands."""

import numpy as np
from numpy.typing import NDArray

from udfs.compiled import compiled
from udfs.hamming import N_BITS, Hashes, popcount

_MOST_INDEXED_BITS = 16  # of a band; a table has an entry for each of their values
NOT_FOUND = -1


class HammingIndex:
    """Hashes of several sets, to be found by hashes within `distance`.

    hashes: (n,); sets: (n,), the number of each hash's set, ascending. Each of the distance + 1
    bands has a table: value of its bits -> the hashes that have it.
    """

    def __init__(self, hashes: Hashes, sets: NDArray[np.int64], n_sets: int, distance: int) -> None:
        self._hashes, self._sets, self._n_sets = hashes, sets, n_sets
        self._distance = distance
        edges = np.linspace(0, N_BITS, distance + 2).astype(np.int64)
        self._shifts = edges[:-1].astype(np.uint64)
        n_bits = int(min(_MOST_INDEXED_BITS, np.diff(edges).min()))
        self._mask = np.uint64((1 << n_bits) - 1)
        tables = [self._table(shift, n_bits) for shift in self._shifts]
        self._starts = np.stack([starts for starts, _ in tables])
        self._items = np.stack([items for _, items in tables])

    def _table(self, shift: np.uint64, n_bits: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(starts, items): the hashes of value v are items[starts[v]:starts[v + 1]]."""
        values = ((self._hashes >> shift) & self._mask).astype(np.int64)
        counts = np.bincount(values, minlength=1 << n_bits)
        return np.r_[0, np.cumsum(counts)], np.argsort(values, kind="stable")

    def nearest(self, queries: Hashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(item, distance), each (n_queries, n_sets): the nearest hash of each set.

        Of equally near ones the first; NOT_FOUND where none of the set is within the distance.
        """
        items = np.full((len(queries), self._n_sets), NOT_FOUND, np.int64)
        distances = np.full(items.shape, self._distance + 1, np.int64)
        tables = self._shifts, self._mask, self._starts, self._items
        _find(queries, self._hashes, self._sets, *tables, items, distances)
        return items, distances


@compiled
def _find(queries, hashes, sets, shifts, mask, starts, table, items, distances):
    for query in range(queries.size):
        for band in range(shifts.size):
            value = (queries[query] >> shifts[band]) & mask
            for slot in range(starts[band, value], starts[band, value + np.uint64(1)]):
                item = table[band, slot]
                group = sets[item]
                distance = popcount(queries[query] ^ hashes[item])
                best = distances[query, group]
                if distance < best or (distance == best and 0 <= item < items[query, group]):
                    distances[query, group] = distance
                    items[query, group] = item
