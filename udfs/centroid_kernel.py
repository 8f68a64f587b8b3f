"""Numba kernels of nearest centroids: only products that could be the largest are recomputed."""

import numpy as np

from udfs.compiled import compiled, inlined
from udfs.nearest_kernel import product, sortable


@compiled
def keep_best(products, slack, vectors, centroids, first, best, best_centroid):
    """Update the best centroid of each vector with those of a tile.

    products: (n, m), the bits of bfloat16 or float32 numbers as signed integers; slack: (n,), their
    largest possible error. A centroid's number is its row plus `first`. Changed in place: best and
    best_centroid, (n,). A product less than the tile's largest by twice the slack is not the best.
    """
    shift = np.int64(32 - 8 * products.itemsize)
    mask = np.int64(0x7FFFFFFF) >> shift
    number = np.empty(1, np.float32)
    bits = number.view(np.int32)
    for row in range(products.shape[0]):
        largest = _largest(products, row, mask)
        bits[0] = sortable(largest, mask) << shift
        least = max(number[0] - slack[row], np.float32(best[row]))  # of the best, at least
        number[0] = least - np.float32(1.001) * slack[row]
        bound = sortable(np.int64(bits[0]), np.int64(0x7FFFFFFF)) >> shift
        if largest < bound:
            continue
        for column in range(products.shape[1]):
            if sortable(np.int64(products[row, column]), mask) < bound:
                continue
            exact = product(vectors, row, centroids, column)
            if exact > best[row]:
                best[row] = exact
                best_centroid[row] = first + column


@inlined
def _largest(products, row, mask):
    """The largest product of a row, sortable; without a branch, so that it vectorises."""
    largest = sortable(np.int64(products[row, 0]), mask)
    for column in range(1, products.shape[1]):
        largest = max(largest, sortable(np.int64(products[row, column]), mask))
    return largest


@compiled
def add_rows(vectors, cluster, sums, counts):
    """Add each vector to the sum of its cluster, and one to its count, in place."""
    for row in range(vectors.shape[0]):
        counts[cluster[row]] += 1
        for k in range(vectors.shape[1]):
            sums[cluster[row], k] += np.float64(vectors[row, k])
