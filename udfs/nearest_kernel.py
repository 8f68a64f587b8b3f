"""Numba kernels that keep the k nearest vectors: only large approximate products are recomputed."""

import numpy as np

from udfs.compiled import compiled, inlined, inlined_sum

_CHUNK = 64  # products compared together


@compiled
def keep_nearest(
    products, slack, queries, vectors, ties, first, k, similarity, kept_ties, refs, counts, least
):
    """Update the k nearest vectors of each query with those of a tile.

    products: (n, m), the bits of bfloat16 or float32 numbers as signed integers; slack: (n,), their
    largest possible error. queries: (n, dimension), vectors: (m, dimension), ties: (m,); the ref of
    a vector is its row plus `first`. Changed in place: similarity, kept_ties and refs, (n, room)
    with room > k; counts: (n,), how many of these are used; least: (n,), the similarity that a
    vector must reach.
    """
    room = similarity.shape[1]
    shift = np.int64(32 - 8 * products.itemsize)
    number = np.empty(1, np.float32)
    bits = number.view(np.int32)
    for query in range(products.shape[0]):
        number[0] = least[query] - slack[query]
        bound = sortable(np.int64(bits[0]), np.int64(0x7FFFFFFF)) >> shift
        mask = np.int64(0x7FFFFFFF) >> shift
        for start in range(0, products.shape[1], _CHUNK):
            stop = min(products.shape[1], start + _CHUNK)
            if not any_at_least(products, query, start, stop, bound, mask):
                continue
            for row in range(start, stop):
                if sortable(np.int64(products[query, row]), mask) < bound:
                    continue
                exact = np.float32(product(queries, query, vectors, row))
                if not exact >= least[query]:  # also skips NaN
                    continue
                _insert(query, exact, ties[row], first + row, similarity, kept_ties, refs, counts)
                if counts[query] == room:
                    _keep_k_of_query(similarity, kept_ties, refs, counts, least, query, k)
                    number[0] = least[query] - slack[query]
                    bound = sortable(np.int64(bits[0]), np.int64(0x7FFFFFFF)) >> shift


@compiled
def keep_nearest_pairs(
    found,
    rows,
    exact_products,
    queries,
    vectors,
    ties,
    first,
    k,
    similarity,
    kept_ties,
    refs,
    counts,
    least,
):
    """`keep_nearest` of pairs: found, rows and exact_products, (m,).

    A product that is NaN is computed here.
    """
    for pair in range(found.size):
        query, row, exact = found[pair], rows[pair], exact_products[pair]
        if np.isnan(exact):
            exact = np.float32(product(queries, query, vectors, row))
        if not exact >= least[query]:  # also skips NaN
            continue
        _insert(query, exact, ties[row], first + row, similarity, kept_ties, refs, counts)
        if counts[query] == similarity.shape[1]:
            _keep_k_of_query(similarity, kept_ties, refs, counts, least, query, k)


@inlined
def _insert(query, exact, tie, ref, similarity, kept_ties, refs, counts):
    slot = counts[query]
    similarity[query, slot] = exact
    kept_ties[query, slot] = tie
    refs[query, slot] = ref
    counts[query] = slot + 1


@compiled
def keep_k(k, similarity, kept_ties, refs, counts, least):
    """Reduce each query to its k nearest; of equally near ones the smallest ties stay."""
    for query in range(counts.size):
        if counts[query] > k or (counts[query] == k and least[query] == -np.inf):
            _keep_k_of_query(similarity, kept_ties, refs, counts, least, query, k)


@compiled
def _keep_k_of_query(similarity, kept_ties, refs, counts, least, query, k):
    n = counts[query]
    values, ties = similarity[query, :n], kept_ties[query, :n]
    bound = np.partition(values, n - k)[n - k]
    equal = ties[values == bound]  # ties of the vectors as near as the k-th
    n_equal_kept = k - np.sum(values > bound)
    last_tie = np.partition(equal, n_equal_kept - 1)[n_equal_kept - 1]
    new = 0
    for old in range(n):
        value, tie = values[old], ties[old]
        if new < k and (value > bound or (value == bound and tie <= last_tie)):
            similarity[query, new] = value
            kept_ties[query, new] = tie
            refs[query, new] = refs[query, old]
            new += 1
    counts[query] = k
    least[query] = bound


@inlined
def any_at_least(products, query, start, stop, bound, mask):
    """Whether any product reaches the bound; counted without a branch, so that it vectorises."""
    n = 0
    for row in range(start, stop):
        n += sortable(np.int64(products[query, row]), mask) >= bound
    return n > 0


@inlined
def sortable(bits, mask):
    """Map the bits of a float to an integer that sorts like the float."""
    return bits ^ mask if bits < 0 else bits


@inlined_sum
def product(queries, query, vectors, row):
    """Sum in float64, so that the float32 result does not depend on tile or order of terms."""
    total = np.float64(0)
    for k in range(queries.shape[1]):
        total += np.float64(queries[query, k]) * np.float64(vectors[row, k])
    return total
