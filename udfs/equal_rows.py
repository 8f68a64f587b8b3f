"""Rows of a matrix that are equal, without a copy or a sort of the matrix."""

import numpy as np
from numpy.typing import NDArray

from udfs.compiled import compiled
from udfs.hashing import extended
from udfs.vectors import Vectors


def distinct_rows(vectors: Vectors) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(first row of each distinct vector, for each row the first that is equal).

    Numbers are compared by value, -0 and 0 being equal; a NaN has no equal. Of vectors with the
    same hash of 64 bits, which are no copies but for a chance of 1 in 10^19 a pair, only the first
    is known again.
    """
    hashes = np.empty(len(vectors), np.uint64)
    hash_rows(vectors, hashes)
    first_of_row = np.arange(len(vectors))
    find_first_equal(vectors, hashes, np.argsort(hashes, kind="stable"), first_of_row)
    return np.flatnonzero(first_of_row == np.arange(len(vectors))), first_of_row


@compiled
def hash_rows(vectors, hashes):
    """Set the hash of each row (n, dimension), of the bits of its numbers."""
    number = np.empty(1, np.float32)
    bits = number.view(np.uint32)
    for row in range(vectors.shape[0]):
        value = np.uint64(0)
        for k in range(vectors.shape[1]):
            number[0] = vectors[row, k] + np.float32(0)  # -0 becomes 0
            value = extended(value, np.uint64(bits[0]))
        hashes[row] = value


@compiled
def find_first_equal(vectors, hashes, order, first_of_row):
    """Set the first equal row of each; order: the rows by hash, those of one hash ascending."""
    for place in range(1, order.size):
        row, before = order[place], order[place - 1]
        if hashes[row] != hashes[before]:
            continue
        first = first_of_row[before]
        is_equal = True
        for k in range(vectors.shape[1]):
            if vectors[row, k] != vectors[first, k]:
                is_equal = False
                break
        if is_equal:
            first_of_row[row] = first
