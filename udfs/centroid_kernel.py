"""Numba kernels of nearest centroids: only products that could be the largest are recomputed."""

import numpy as np

from udfs.compiled import compiled, inlined
from udfs.nearest_kernel import product, sortable

_BLOCK = 64  # columns whose products are looked at one by one only if the largest is large enough


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
    n_blocks = (products.shape[1] + _BLOCK - 1) // _BLOCK
    maxima = np.empty(n_blocks, products.dtype)
    for row in range(products.shape[0]):
        largest = np.int64(_block_maxima(products, row, mask, maxima))
        bits[0] = sortable(largest, mask) << shift
        least = max(number[0] - slack[row], np.float32(best[row]))  # of the best, at least
        number[0] = least - np.float32(1.001) * slack[row]
        bound = sortable(np.int64(bits[0]), np.int64(0x7FFFFFFF)) >> shift
        if largest < bound:
            continue
        for block in range(n_blocks):
            if maxima[block] < bound:
                continue
            for column in range(block * _BLOCK, min((block + 1) * _BLOCK, products.shape[1])):
                if sortable(np.int64(products[row, column]), mask) < bound:
                    continue
                exact = product(vectors, row, centroids, column)
                if exact > best[row]:
                    best[row] = exact
                    best_centroid[row] = first + column


@compiled
def keep_best_pairs(rows, columns, vectors, centroids, best, best_centroid):
    """`keep_best` of pairs: rows and columns, (m,), the columns of a row ascending."""
    for pair in range(rows.size):
        row, column = rows[pair], columns[pair]
        exact = product(vectors, row, centroids, column)
        if exact > best[row]:
            best[row] = exact
            best_centroid[row] = column


@inlined
def _block_maxima(products, row, mask, maxima):
    """The largest product of a row, sortable, and in `maxima` that of each block of columns.

    Without a branch and in the products' own type, so that it vectorises.
    """
    kind = products.dtype.type
    sign = np.int64(8 * products.itemsize - 1)
    largest = sortable(np.int64(products[row, 0]), mask)
    for block in range(maxima.size):
        start = block * _BLOCK
        of_block = kind(-mask - 1)
        for column in range(start, min(start + _BLOCK, products.shape[1])):
            number = products[row, column]
            of_block = max(of_block, kind(number ^ ((number >> sign) & mask)))
        maxima[block] = of_block
        largest = max(largest, np.int64(of_block))
    return largest


@compiled
def add_rows(vectors, cluster, sums, counts):
    """Add each vector to the sum of its cluster, and one to its count, in place."""
    for row in range(vectors.shape[0]):
        counts[cluster[row]] += 1
        for k in range(vectors.shape[1]):
            sums[cluster[row], k] += np.float64(vectors[row, k])
