"""Join a corpus' bigrams with the counts of their words, and score them (PMI)."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches
from udfs.task_errors import TaskInputError
from udfs.text.bigram_counts import Pairs, add_pairs, packed

FIRST, SECOND, COUNT, PMI = "first_hash", "second_hash", "count", "pmi"
Columns = tuple[NDArray[Any], ...]
_BUFFERED_ROWS = 1 << 18
_ROUNDING = 1e-9  # PMI so near to the threshold is computed from whole numbers


def pack_words(batches: Batches) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: word_hash, count, words of its language -> packed, by the hash."""
    words = (tuple(column.to_numpy() for column in batch.columns) for batch in batches)
    for hashes, counts, totals in _in_large_batches(words):
        keys = hashes.view(np.uint64)
        yield packed(keys, (keys, counts, totals), is_word=True)


def _in_large_batches(rows: Iterable[Columns]) -> Iterator[Columns]:
    """The same rows, at least _BUFFERED_ROWS at a time, so that few small blobs are packed."""
    buffered: list[Columns] = []
    for columns in rows:
        buffered.append(columns)
        if sum(part[0].size for part in buffered) >= _BUFFERED_ROWS:
            yield tuple(map(np.concatenate, zip(*buffered, strict=True)))
            buffered.clear()
    if buffered:
        yield tuple(map(np.concatenate, zip(*buffered, strict=True)))


def join_first(batches: Batches) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: packed pairs and words, sorted by part -> pairs with the first word's count.

    Packed (second hash, first hash, count, count of the first word), by the second hash.
    """
    for columns in _in_large_batches(_with_first_counts(batches)):
        yield packed(columns[0], columns)


def _with_first_counts(batches: Batches) -> Iterator[Columns]:
    for pairs, words in _by_part(batches, 3):
        firsts, seconds, counts = _summed(pairs)
        first_counts, _ = _looked_up(firsts, words)
        yield seconds, firsts, counts, first_counts


def score_pairs(
    batches: Batches,
    *,
    min_pmi: float,
    strict: bool = False,
    min_count: int = 1,
    keep_all: bool = False,
) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: what `join_first` packed, and words -> the pairs that reach a PMI.

    Columns first_hash, second_hash, count, pmi. `strict`: a PMI of min_pmi is not enough.
    `min_count`: of the pair. `keep_all`: the others too, with the PMI that decides about them.
    """
    for columns in _in_large_batches(_scored(batches, min_pmi)):
        counts, pmi = columns[2:]
        reaches = (pmi > min_pmi if strict else pmi >= min_pmi) & (counts >= min_count)
        kept = columns if keep_all else tuple(column[reaches] for column in columns)
        yield pa.RecordBatch.from_arrays(list(map(pa.array, kept)), [FIRST, SECOND, COUNT, PMI])


def _scored(batches: Batches, min_pmi: float) -> Iterator[Columns]:
    for pairs, words in _by_part(batches, 4):
        order = np.argsort(pairs[:, 0], kind="stable")
        seconds, firsts, counts, first_counts = pairs[order].T
        second_counts, totals = _looked_up(seconds.view(np.uint64), words)
        pmi = pointwise_mutual_information(
            counts, first_counts, second_counts, totals, threshold=min_pmi
        )
        yield firsts, seconds, counts, pmi


def pointwise_mutual_information(
    counts: NDArray[np.int64],
    first_counts: NDArray[np.int64],
    second_counts: NDArray[np.int64],
    totals: NDArray[np.int64],
    *,
    threshold: float,
) -> NDArray[np.float64]:
    """PMI in bits, log2(n12 N) - log2(n1 n2), N being the number of words (Xu et al. 2023).

    Near the threshold it is what Python's math.log2 gives for products of whole numbers of any
    size, so that a bigram reaches the threshold where the published code says so. As there, the
    two logarithms are rounded: of n12 = 1, N = 56, n1 = 1, n2 = 7 it is a hair less than 3.
    """
    n_12, n_1, n_2, n = (
        column.astype(np.float64) for column in (counts, first_counts, second_counts, totals)
    )
    pmi: NDArray[np.float64] = np.log2(n_12 * n) - np.log2(n_1 * n_2)
    for row in np.flatnonzero(np.abs(pmi - threshold) < _ROUNDING):
        n12, n1, n2, total = (
            int(column[row]) for column in (counts, first_counts, second_counts, totals)
        )
        pmi[row] = math.log2(n12 * total) - math.log2(n1 * n2)
    return pmi


def _by_part(batches: Batches, width: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(pairs (n, width), words (n, 3)) of each part that has pairs; the rows are sorted by part."""
    part = None
    blobs: tuple[list[bytes], list[bytes]] = ([], [])
    for batch in batches:
        for number, is_word, rows in zip(*batch.to_pydict().values(), strict=True):
            if number != part:
                if blobs[0]:
                    yield _matrix(blobs[0], width), _matrix(blobs[1], 3)
                part, blobs = number, ([], [])
            blobs[is_word].append(rows)
    if blobs[0]:
        yield _matrix(blobs[0], width), _matrix(blobs[1], 3)


def _matrix(blobs: list[bytes], width: int) -> NDArray[np.int64]:
    return np.frombuffer(b"".join(blobs), np.int64).reshape(-1, width)


def _summed(rows: NDArray[np.int64]) -> Pairs:
    """The distinct pairs, by first hash, and the sum of the counts of each."""
    firsts, seconds = (rows[:, k].view(np.uint64) for k in (0, 1))
    n_slots = 1 << (2 * len(rows) - 1).bit_length()
    table = np.zeros(n_slots, np.uint64), np.zeros(n_slots, np.uint64), np.zeros(n_slots, np.int64)
    add_pairs(firsts.copy(), seconds.copy(), rows[:, 2].copy(), *table)
    filled = np.flatnonzero(table[2])
    filled = filled[np.argsort(table[0][filled], kind="stable")]
    return tuple(column[filled] for column in table)  # type: ignore[return-value]


def _looked_up(
    keys: NDArray[np.uint64], words: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(count, total) of the word of each key; `keys` are sorted.

    Raises TaskInputError if a word is missing, which the pass that counted words has not seen.
    """
    order = np.argsort(words[:, 0].view(np.uint64))
    word_keys = words[order, 0].view(np.uint64)
    starts = np.flatnonzero(np.diff(keys, prepend=keys[0] - np.uint64(1)))
    places = np.searchsorted(word_keys, keys[starts])
    if not word_keys.size or np.any(
        word_keys[np.minimum(places, word_keys.size - 1)] != keys[starts]
    ):
        raise TaskInputError("the texts changed while they were read, run again")
    found = words[order[places]]
    lengths = np.diff(starts, append=keys.size)
    return np.repeat(found[:, 1], lengths), np.repeat(found[:, 2], lengths)
