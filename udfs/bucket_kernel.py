"""Numba kernels for tables of hashes: sort rows into buckets, and link the similar ones of each."""

import numpy as np

from udfs.compiled import compiled, inlined
from udfs.forest import find, link
from udfs.hamming import popcount
from udfs.nearest_kernel import product

SKETCH_WORDS, WORD_BITS = 4, 64
_MANY = 32  # rows of a bucket from which on those of one tree are brought together
_CHUNK = 64  # sketches compared together


@compiled
def pack_signs(signs, words):
    """Write signs (n, n_words * bits) as words (n_words, n), the first sign as the highest bit."""
    n_bits = signs.shape[1] // words.shape[0]
    for row in range(signs.shape[0]):
        for number in range(words.shape[0]):
            word = np.uint64(0)
            for bit in range(number * n_bits, (number + 1) * n_bits):
                word = word << np.uint64(1) | np.uint64(signs[row, bit])
            words[number, row] = word


@compiled
def sort_into_buckets(hashes, rows, starts, order):
    """Fill order (as long as rows) with the rows by their hash, and starts with where each begins.

    hashes: (n,), below starts.size - 1; rows: those to be sorted.
    """
    starts[:] = 0
    for place in range(rows.size):
        starts[hashes[rows[place]] + 1] += 1
    for number in range(1, starts.size):
        starts[number] += starts[number - 1]
    for place in range(rows.size):
        number = hashes[rows[place]]
        order[starts[number]] = rows[place]
        starts[number] += 1
    for number in range(starts.size - 1, 0, -1):
        starts[number] = starts[number - 1]
    starts[0] = 0


@compiled
def link_buckets(order, starts, sketches, most_different, vectors, threshold, parents):
    """Link the rows of each bucket whose inner product is at least the threshold.

    sketches: (n, SKETCH_WORDS); rows that differ in more than most_different bits are not
    multiplied. Those of one tree are not even compared: they are brought together in large buckets,
    at first and after many rows were linked: a bucket of copies takes no time by its square.
    """
    largest = 1
    for bucket in range(starts.size - 1):
        largest = max(largest, starts[bucket + 1] - starts[bucket])
    of_bucket = np.empty((SKETCH_WORDS, largest), np.uint64)
    others = np.empty(largest, np.int64)  # from where on rows may be of another tree
    for bucket in range(starts.size - 1):
        rows = order[starts[bucket] : starts[bucket + 1]]
        if rows.size < 2:
            continue
        for place in range(rows.size):
            others[place] = place + 1
        if rows.size >= _MANY:
            _bring_together(rows, 0, parents, others)
        _gather(sketches, rows, 0, of_bucket)
        n_new = 0
        for first in range(rows.size - 1):
            if rows.size >= _MANY and 4 * n_new >= rows.size:
                n_new = 0
                _bring_together(rows, first, parents, others)
                _gather(sketches, rows, first, of_bucket)
            for start in range(others[first], rows.size, _CHUNK):
                stop = min(rows.size, start + _CHUNK)
                if not _any_close(of_bucket, first, start, stop, most_different):
                    continue
                for second in range(start, stop):
                    if _different(of_bucket, first, second) > most_different:
                        continue
                    row, other = rows[first], rows[second]
                    if find(parents, row) == find(parents, other):
                        continue
                    if product(vectors, row, vectors, other) >= threshold:
                        link(parents, row, other)
                        n_new += 1


@compiled
def _bring_together(rows, first, parents, others):
    """Order rows[first:] by tree, and set `others` of each to where its tree's rows end."""
    roots = np.empty(rows.size - first, np.int64)
    for place in range(roots.size):
        roots[place] = find(parents, rows[first + place])
    by_root = np.argsort(roots)
    rows[first:] = rows[first:][by_root]
    end = rows.size
    for place in range(roots.size - 1, -1, -1):
        if place + 1 < roots.size and roots[by_root[place]] != roots[by_root[place + 1]]:
            end = first + place + 1
        others[first + place] = end


@inlined
def _gather(sketches, rows, first, of_bucket):
    for place in range(first, rows.size):
        for word in range(SKETCH_WORDS):
            of_bucket[word, place] = sketches[rows[place], word]


@inlined
def _any_close(sketches, first, start, stop, most_different):
    """Whether any sketch is close; counted without a branch, so that it vectorises."""
    n = 0
    for second in range(start, stop):
        n += _different(sketches, first, second) <= most_different
    return n > 0


@inlined
def _different(sketches, first, second):
    """Bits of two sketches that differ, of SKETCH_WORDS words."""
    return (
        popcount(sketches[0, first] ^ sketches[0, second])
        + popcount(sketches[1, first] ^ sketches[1, second])
        + popcount(sketches[2, first] ^ sketches[2, second])
        + popcount(sketches[3, first] ^ sketches[3, second])
    )
