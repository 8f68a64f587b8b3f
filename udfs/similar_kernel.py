"""Numba kernels for products that reach a threshold: only those that might are computed exactly."""

import numpy as np

from udfs.compiled import compiled, inlined
from udfs.forest import find, link
from udfs.nearest_kernel import any_at_least, product, sortable

_CHUNK = 64  # products compared together


@compiled
def link_similar(products, slack, threshold, stored, vectors, first, parents, linked):
    """Link the stored vectors that share a vector with a product of at least the threshold.

    products: (n, m), the bits of bfloat16 or float32 numbers as signed integers, upper bounds of
    those of stored (n, dimension) and vectors (m, dimension), but for slack (n,). A stored vector's
    node in `parents` is its row plus `first`. linked: (m,), a node that each vector belongs to,
    negative for none; changed in place. Vectors that are of one tree already are not multiplied.
    """
    shift = np.int64(32 - 8 * products.itemsize)
    mask = np.int64(0x7FFFFFFF) >> shift
    number = np.empty(1, np.float32)
    bits = number.view(np.int32)
    for row in range(products.shape[0]):
        number[0] = threshold - slack[row]
        bound = sortable(np.int64(bits[0]), np.int64(0x7FFFFFFF)) >> shift
        for start in range(0, products.shape[1], _CHUNK):
            stop = min(products.shape[1], start + _CHUNK)
            if not any_at_least(products, row, start, stop, bound, mask):
                continue
            for column in range(start, stop):
                if sortable(np.int64(products[row, column]), mask) < bound:
                    continue
                node = linked[column]
                if _is_one_tree(parents, first + row, node):
                    continue
                if product(stored, row, vectors, column) >= threshold:
                    if node < 0:
                        linked[column] = first + row
                    else:
                        link(parents, first + row, node)


@inlined
def _is_one_tree(parents, node, other):
    return other >= 0 and find(parents, node) == find(parents, other)


@compiled
def keep_most_similar(products, slack, threshold, items, vectors, first, sets, best, best_item):
    """Update each vector's item of largest product, above the threshold, of each set of items.

    products, slack: as in `link_similar`, of items (n, dimension) with vectors (m, dimension).
    sets: (n,), the set of each item, whose number is its row plus `first`. Changed in place: best
    and best_item, (m, number of sets). Of items with equal products the first of the table stays.
    """
    shift = np.int64(32 - 8 * products.itemsize)
    mask = np.int64(0x7FFFFFFF) >> shift
    number = np.empty(1, np.float32)
    bits = number.view(np.int32)
    for row in range(products.shape[0]):
        number[0] = threshold - slack[row]
        bound = sortable(np.int64(bits[0]), np.int64(0x7FFFFFFF)) >> shift
        for start in range(0, products.shape[1], _CHUNK):
            stop = min(products.shape[1], start + _CHUNK)
            if not any_at_least(products, row, start, stop, bound, mask):
                continue
            for column in range(start, stop):
                if sortable(np.int64(products[row, column]), mask) < bound:
                    continue
                exact = product(items, row, vectors, column)
                group = sets[row]
                if not exact > threshold or exact < best[column, group]:
                    continue
                item = first + row
                if exact > best[column, group] or item < best_item[column, group]:
                    best[column, group] = exact
                    best_item[column, group] = item
