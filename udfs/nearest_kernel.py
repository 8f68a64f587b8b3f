"""Keep the k nearest of many: a look at each product, an exact one where it could matter."""

import numpy as np

from udfs.compiled import compiled, inlined, inlined_sum

_LOOK = 64  # products looked at together


@compiled
def keep_nearest(
    products, slack, queries, vectors, ties, first, k, similarity, kept_ties, refs, counts, least
):
    """Take up what of a tile is among the k nearest of each query.

    products: (n, m), the bits of bfloat16 or float32 numbers as signed integers; slack: (n,), how
    far off they may be. queries (n, dimension), vectors (m, dimension), ties (m,); a vector's ref
    is its row plus `first`. Changed: similarity, kept_ties, refs (n, room), counts (n,) of them
    and least (n,), below which nothing is wanted. Room is more than k.
    """
    room = similarity.shape[1]
    shift = np.int64(32 - 8 * products.itemsize)
    number = np.empty(1, np.float32)
    bits = number.view(np.int32)
    for query in range(products.shape[0]):
        number[0] = least[query] - slack[query]
        bound = _order(np.int64(bits[0]), np.int64(0x7FFFFFFF)) >> shift
        mask = np.int64(0x7FFFFFFF) >> shift
        for start in range(0, products.shape[1], _LOOK):
            stop = min(products.shape[1], start + _LOOK)
            if not _any_at_least(products, query, start, stop, bound, mask):
                continue
            for row in range(start, stop):
                if _order(np.int64(products[query, row]), mask) < bound:
                    continue
                exact = np.float32(_product(queries, query, vectors, row))
                if not exact >= least[query]:  # nor is NaN wanted
                    continue
                place = counts[query]
                similarity[query, place] = exact
                kept_ties[query, place] = ties[row]
                refs[query, place] = first + row
                counts[query] = place + 1
                if place + 1 == room:
                    _shorten(similarity, kept_ties, refs, counts, least, query, k)
                    number[0] = least[query] - slack[query]
                    bound = _order(np.int64(bits[0]), np.int64(0x7FFFFFFF)) >> shift


@compiled
def keep_k(k, similarity, kept_ties, refs, counts, least):
    """Leave each query its k nearest; of equally near ones those with the smallest ties."""
    for query in range(counts.size):
        if counts[query] > k:
            _shorten(similarity, kept_ties, refs, counts, least, query, k)


@compiled
def _shorten(similarity, kept_ties, refs, counts, least, query, k):
    n = counts[query]
    values, ties = similarity[query, :n], kept_ties[query, :n]
    bound = np.partition(values, n - k)[n - k]
    equal = ties[values == bound]
    missing = k - np.sum(values > bound)  # taken from the equal ones
    last = np.partition(equal, missing - 1)[missing - 1]
    place = 0
    for old in range(n):
        near, tie = values[old], ties[old]
        if place < k and (near > bound or (near == bound and tie <= last)):
            similarity[query, place] = near
            kept_ties[query, place] = tie
            refs[query, place] = refs[query, old]
            place += 1
    counts[query] = k
    least[query] = bound


@inlined
def _any_at_least(products, query, start, stop, bound, mask):
    """Counts without a branch, so that many are compared at once."""
    n = 0
    for row in range(start, stop):
        n += _order(np.int64(products[query, row]), mask) >= bound
    return n > 0


@inlined
def _order(bits, mask):
    """An integer as large as the number whose bits are given, compared with others of its kind."""
    return bits ^ mask if bits < 0 else bits


@inlined_sum
def _product(queries, query, vectors, row):
    """In double precision, so that it hangs on no order of the terms, and on no tile."""
    total = np.float64(0)
    for k in range(queries.shape[1]):
        total += np.float64(queries[query, k]) * np.float64(vectors[row, k])
    return total
