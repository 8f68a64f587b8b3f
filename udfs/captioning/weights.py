"""Inverse document frequencies of n-grams: the tf-idf weights of CIDEr."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from udfs.captioning.key_tables import AHEAD, KeyTable, first_slot, slot_of, table_of_entries
from udfs.compiled import compiled
from udfs.machine import prefetch

_LOGARITHMS = 1 << 12  # frequencies whose logarithms are computed once


class Frequencies:
    """Document frequencies by n-gram, of `n_images` images."""

    def __init__(self, ids: Iterable[bytes], counts: Iterable[bytes], n_images: int) -> None:
        """`ids`: blobs of n-grams. `counts`: of in how many images' references each is."""
        self._n_images = n_images
        self._table: KeyTable = table_of_entries(
            np.frombuffer(b"".join(ids), np.uint64), np.frombuffer(b"".join(counts), np.uint64)
        )

    def weights(self, keys: NDArray[np.uint64]) -> NDArray[np.float64]:
        """ln(n_images / frequency) of each n-gram; one without a frequency is taken as of one."""
        return np.asarray(_weights(keys, self._table.slots, self._n_images))


@compiled
def _weights(keys, slots, n_images):
    logs = np.empty(_LOGARITHMS)
    for count in range(1, _LOGARITHMS):
        logs[count] = np.log(float(count))
    # Both logarithms by one way: of an n-gram of all images the weight must be exactly 0.
    log_images = logs[n_images] if n_images < _LOGARITHMS else np.log(float(n_images))
    weights = np.empty(keys.size)
    for k in range(keys.size):
        if k + AHEAD < keys.size:
            prefetch(slots, 2 * first_slot(keys[k + AHEAD], slots.shape[0]))
        n = max(np.int64(1), np.int64(slots[slot_of(slots, keys[k]), 1]))
        log = logs[n] if n < _LOGARITHMS else np.log(float(n))
        weights[k] = log_images - log
    return weights
