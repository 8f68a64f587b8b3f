"""N-grams of 1 to 4 tokens, as each text's distinct ones with their counts."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from udfs.captioning.tokens import Tokens
from udfs.compiled import compiled, inlined
from udfs.hashing import extended

ORDERS = 4  # n-grams of 1, 2, 3 and 4 tokens, as BLEU and CIDEr count


class Ngrams(NamedTuple):
    """Distinct n-grams of m texts, ascending by hash within a text and order.

    Those of text i with n tokens are at starts[4 i + n - 1] <= k < starts[4 i + n].
    `starts`: (4 m + 1,). `keys`, `counts`: (n_distinct,). `lengths`: (m,), the texts' tokens.
    """

    starts: NDArray[np.int64]
    keys: NDArray[np.uint64]
    counts: NDArray[np.int32]
    lengths: NDArray[np.int64]


def count_ngrams(tokens: Tokens) -> Ngrams:
    """The n-grams of each text, counted."""
    starts, keys, counts = _count(tokens.offsets, tokens.hashes)
    return Ngrams(starts, keys, counts, np.diff(tokens.offsets))


class NgramKeys(NamedTuple):
    """The n-grams of m texts with their repeats, in the texts' order.

    Those of text i with n tokens are at starts[4 i + n - 1] <= k < starts[4 i + n].
    `starts`: (4 m + 1,). `keys`: (n_ngrams,).
    """

    starts: NDArray[np.int64]
    keys: NDArray[np.uint64]


def ngram_keys(tokens: Tokens) -> NgramKeys:
    """The n-grams of each text, as they come: for what needs no counts."""
    return NgramKeys(*_keys(tokens.offsets, tokens.hashes))


@compiled
def _keys(offsets, hashes):
    """(starts, keys) of NgramKeys."""
    n_texts = offsets.size - 1
    starts = np.zeros(ORDERS * n_texts + 1, np.int64)
    keys = np.empty(ORDERS * hashes.size, np.uint64)
    n = 0
    for text in range(n_texts):
        first = offsets[text]
        length = offsets[text + 1] - first
        before = n  # where the n-grams that are one token shorter start
        for order in range(ORDERS):
            start = n
            for k in range(length - order):
                shorter = keys[before + k] if order else np.uint64(0)
                keys[n] = extended(shorter, hashes[first + k + order])
                n += 1
            before = start
            starts[ORDERS * text + order + 1] = n
    return starts, keys[:n].copy()


@compiled
def _count(offsets, hashes):
    """(starts, keys, counts) of Ngrams."""
    n_texts = offsets.size - 1
    keys = np.empty(ORDERS * hashes.size, np.uint64)
    counts = np.empty(keys.size, np.int32)
    starts = np.zeros(ORDERS * n_texts + 1, np.int64)
    longest = 0
    for text in range(n_texts):
        longest = max(longest, offsets[text + 1] - offsets[text])
    current = np.empty(longest, np.uint64)
    ordered = np.empty(longest, np.uint64)
    n = 0
    for text in range(n_texts):
        first = offsets[text]
        length = offsets[text + 1] - first
        for order in range(ORDERS):
            size = length - order
            for k in range(size):
                token = hashes[first + k + order]
                # The empty n-gram is 0: a word's hash as a unigram.
                current[k] = extended(current[k] if order else np.uint64(0), token)
                ordered[k] = current[k]
            if size > 0:
                _sort(ordered, size)
                start = n
                for k in range(size):
                    if n > start and keys[n - 1] == ordered[k]:
                        counts[n - 1] += 1
                    else:
                        keys[n], counts[n] = ordered[k], 1
                        n += 1
            starts[ORDERS * text + order + 1] = n
    return starts, keys[:n].copy(), counts[:n].copy()


@compiled
def _sort_long(values, size):
    values[:size] = np.sort(values[:size])


@inlined
def _sort_short(values, size):
    for k in range(1, size):
        value = values[k]
        at = k
        while at > 0 and values[at - 1] > value:
            values[at] = values[at - 1]
            at -= 1
        values[at] = value


@compiled
def _sort(values, size):
    """Sort values[:size] in place: most captions are so short that insertion is fastest."""
    if size <= 48:
        _sort_short(values, size)
    else:
        _sort_long(values, size)
