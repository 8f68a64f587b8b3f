"""Inverse document frequencies of n-grams: the tf-idf weights of CIDEr."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from udfs.compiled import compiled


class Frequencies(NamedTuple):
    """Document frequencies by n-gram: a hash table with linear probing.

    `keys`, `counts`: (n_slots,), a power of two; a count of 0 marks a free slot.
    """

    keys: NDArray[np.uint64]
    counts: NDArray[np.int64]


def frequency_table(keys: NDArray[np.uint64], counts: NDArray[np.int64]) -> Frequencies:
    """The table of distinct n-grams and in how many images' references each is."""
    n_slots = 1 << max(4, int(2 * keys.size).bit_length())
    return Frequencies(*_build(keys, counts, n_slots))


def inverse_frequencies(
    keys: NDArray[np.uint64], table: Frequencies, n_images: int
) -> NDArray[np.float64]:
    """ln(n_images / frequency) of each n-gram; one that is not in the table is taken as of one."""
    return np.asarray(_inverse(keys, table.keys, table.counts, float(n_images)))


@compiled
def _build(keys, counts, n_slots):
    table, table_counts = np.zeros(n_slots, np.uint64), np.zeros(n_slots, np.int64)
    for k in range(keys.size):
        slot = np.int64(keys[k] & np.uint64(n_slots - 1))
        while table_counts[slot]:
            slot = (slot + 1) & (n_slots - 1)
        table[slot], table_counts[slot] = keys[k], counts[k]
    return table, table_counts


@compiled
def _inverse(keys, table, table_counts, n_images):
    # Both logarithms by one function: of an n-gram of all images the weight must be exactly 0.
    log_images = np.log(n_images)
    weights = np.empty(keys.size)
    n_slots = table.size
    for k in range(keys.size):
        slot = np.int64(keys[k] & np.uint64(n_slots - 1))
        while table_counts[slot] and table[slot] != keys[k]:
            slot = (slot + 1) & (n_slots - 1)
        weights[k] = log_images - np.log(float(max(1, table_counts[slot])))
    return weights
