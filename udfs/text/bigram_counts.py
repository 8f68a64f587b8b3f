"""Count the bigrams of a task's texts, pairs of word hashes, and join them with the words' counts.

A bigram is two words with only white space between them, or nothing where a script has no spaces.
The hashes of two words take 16 bytes, so that a shuffle moves no text, and no row for a bigram: all
pairs are divided into parts by a hash, and a task passes on arrays of a part, as bytes.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches
from udfs.compiled import compiled, inlined
from udfs.text.corpus_tokens import (
    NO_TOKEN,
    WORD,
    by_language,
    language_seed,
    next_token,
    token_hash,
    token_kinds,
    without_tags,
)
from udfs.text.token_trie import PaddedText, padded_text

PART, IS_WORD, ROWS = "part", "is_word", "rows"  # columns of packed rows
FIRST, SECOND, COUNT, PMI = "first_hash", "second_hash", "count", "pmi"
_PART_BITS = 10
_FEWEST_PAIRS, _MOST_PAIRS = 1 << 14, 1 << 21  # that a table holds before it is emptied
_FACTORS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
_SHIFT = np.uint64(32)
Pairs = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]
Columns = tuple[NDArray[Any], ...]
_BUFFERED_ROWS = 1 << 18
_ROUNDING = 1e-9  # PMI so near to the threshold is computed from whole numbers


class PairTable:
    """Bigrams with their counts; grows up to a limit."""

    def __init__(
        self, seed: int, left_out: NDArray[np.uint64], *, most_pairs: int = _MOST_PAIRS
    ) -> None:
        """`left_out`: hashes of words whose bigrams are not counted."""
        self._seed = np.uint64(seed)
        self._left_out = _hash_set(left_out)
        self._most_pairs = most_pairs
        self._allocate(min(_FEWEST_PAIRS, most_pairs))

    def _allocate(self, n_pairs: int) -> None:
        n_slots = 1 << (2 * n_pairs - 1).bit_length()
        self._firsts, self._seconds = (np.zeros(n_slots, np.uint64) for _ in range(2))
        self._counts = np.zeros(n_slots, np.int64)  # 0: a free slot
        self._n_pairs = 0

    def add(self, padded: PaddedText) -> Iterator[Pairs]:
        """Count the bigrams of texts; yields what is in the table, and empties it, when full."""
        offsets, text = padded
        row, n_rows = 0, offsets.size - 1
        while row < n_rows:
            row, self._n_pairs = _count_pairs(
                *(offsets, text, row, token_kinds(), self._seed, self._left_out),
                *(self._firsts, self._seconds, self._counts, self._n_pairs),
            )
            if row < n_rows:
                yield from self._make_room(int(offsets[row + 1] - offsets[row]))

    def _make_room(self, row_bytes: int) -> Iterator[Pairs]:
        """Grow the table to hold another row; at its limit, empty it first."""
        n_pairs = self._counts.size // 2
        if self._n_pairs and n_pairs >= self._most_pairs:
            yield from self.flush()
            return
        pairs = self._pairs()
        self._allocate(max(2 * n_pairs, self._n_pairs + row_bytes))
        self._n_pairs = _add_pairs(*pairs, self._firsts, self._seconds, self._counts)

    def _pairs(self) -> Pairs:
        filled = np.flatnonzero(self._counts)
        return self._firsts[filled], self._seconds[filled], self._counts[filled]

    def flush(self) -> Iterator[Pairs]:
        """Yield the bigrams counted so far, and empty the table."""
        yield self._pairs()
        self._counts[:] = 0
        self._n_pairs = 0


def _hash_set(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """An open hash table at most a quarter full; 0 is free."""
    slots = np.zeros(1 << (4 * max(hashes.size, 1) - 1).bit_length(), np.uint64)
    _fill(slots, hashes)
    return slots


@compiled
def _fill(slots, hashes):
    mask = slots.size - 1
    for hashed in hashes:
        slot = np.int64(hashed) & mask
        while slots[slot]:
            slot = (slot + 1) & mask
        slots[slot] = hashed


@inlined
def _contains(slots, hashed):
    mask = slots.size - 1
    slot = np.int64(hashed) & mask
    while slots[slot] and slots[slot] != hashed:
        slot = (slot + 1) & mask
    return slots[slot] == hashed


@inlined
def _add_pair(first, second, count, firsts, seconds, counts):
    """Add to the count of a pair; whether it is new."""
    mask = counts.size - 1
    hashed = (first * _FACTORS[0]) ^ (second * _FACTORS[1])
    slot = np.int64((hashed ^ (hashed >> _SHIFT)) * _FACTORS[0] >> _SHIFT) & mask
    while counts[slot] and (firsts[slot] != first or seconds[slot] != second):
        slot = (slot + 1) & mask
    is_new = counts[slot] == 0
    firsts[slot], seconds[slot] = first, second
    counts[slot] += count
    return is_new


@compiled
def _add_pairs(new_firsts, new_seconds, new_counts, firsts, seconds, counts):
    n_pairs = 0
    for k in range(new_counts.size):
        n_pairs += _add_pair(new_firsts[k], new_seconds[k], new_counts[k], firsts, seconds, counts)
    return n_pairs


@compiled
def _count_pairs(offsets, text, row, kinds, seed, left_out, firsts, seconds, counts, n_pairs):
    """(the first row that was not counted for want of room, number of pairs)."""
    while row < offsets.size - 1:
        position, end = offsets[row], offsets[row + 1]
        if 2 * (n_pairs + end - position) > counts.size:
            break
        before = np.uint64(0)  # hash of the word before, 0 if none can begin a bigram
        while True:
            kind, start, position = next_token(text, position, end, kinds)
            if kind == NO_TOKEN:
                break
            hashed = np.uint64(0)
            if kind == WORD:
                hashed = token_hash(text, start, position, seed)
                if _contains(left_out, hashed):
                    hashed = np.uint64(0)
                elif before:
                    n_pairs += _add_pair(before, hashed, 1, firsts, seconds, counts)
            before = hashed
        row += 1
    return row, n_pairs


def count_pairs(
    batches: Batches, *, seed: int, left_out: NDArray[np.uint64]
) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: columns lang, text -> packed (first, second, count) by the first hash."""
    tables: dict[str, PairTable] = {}
    for batch in batches:
        for lang, texts in by_language(batch):
            if lang not in tables:
                tables[lang] = PairTable(language_seed(lang, seed), left_out)
            for pairs in tables[lang].add(without_tags(padded_text(texts))):
                yield _packed(pairs[0], pairs)
    for table in tables.values():
        for pairs in table.flush():
            yield _packed(pairs[0], pairs)


def pack_words(batches: Batches) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: word_hash, count, words of its language -> packed, by the hash."""
    words = (tuple(column.to_numpy() for column in batch.columns) for batch in batches)
    for hashes, counts, totals in _in_large_batches(words):
        keys = hashes.view(np.uint64)
        yield _packed(keys, (keys, counts, totals), is_word=True)


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


def _packed(
    keys: NDArray[np.uint64], columns: tuple[NDArray[Any], ...], *, is_word: bool = False
) -> pa.RecordBatch:
    """A row for each part that has rows: part, whether rows are words, the rows as 64-bit words."""
    part = ((keys * _FACTORS[0]) >> np.uint64(64 - _PART_BITS)).astype(np.uint16)
    order = np.argsort(part, kind="stable")  # for 16 bits numpy takes a radix sort
    rows = np.stack([column.view(np.int64) for column in columns], axis=1)[order]
    ends = np.cumsum(np.bincount(part, minlength=1 << _PART_BITS))
    parts = np.flatnonzero(np.diff(ends, prepend=0)).astype(np.int32)
    offsets = np.concatenate([[0], ends[parts]]).astype(np.int64) * rows.itemsize * rows.shape[1]
    blobs = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), parts.size, [None, pa.py_buffer(offsets), pa.py_buffer(rows)]
    )
    flags = pa.array(np.full(parts.size, is_word))
    return pa.RecordBatch.from_arrays(
        [pa.array(parts), flags, blobs.cast(pa.binary())], [PART, IS_WORD, ROWS]
    )


def join_first(batches: Batches) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: packed pairs and words, sorted by part -> pairs with the first word's count.

    Packed (second hash, first hash, count, count of the first word), by the second hash.
    """
    for columns in _in_large_batches(_with_first_counts(batches)):
        yield _packed(columns[0], columns)


def _with_first_counts(batches: Batches) -> Iterator[Columns]:
    for pairs, words in _by_part(batches, 3):
        firsts, seconds, counts = _summed(pairs)
        first_counts, _ = _looked_up(firsts, words)
        yield seconds, firsts, counts, first_counts


def score_pairs(
    batches: Batches, *, min_pmi: float, strict: bool = False, min_count: int = 1
) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: what `join_first` packed, and words -> the pairs that reach a PMI.

    Columns first_hash, second_hash, count, pmi. `strict`: a PMI of min_pmi is not enough.
    `min_count`: of the pair.
    """
    scored = _scored(batches, min_pmi=min_pmi, strict=strict, min_count=min_count)
    for columns in _in_large_batches(scored):
        yield pa.RecordBatch.from_arrays(list(map(pa.array, columns)), [FIRST, SECOND, COUNT, PMI])


def _scored(batches: Batches, *, min_pmi: float, strict: bool, min_count: int) -> Iterator[Columns]:
    for pairs, words in _by_part(batches, 4):
        order = np.argsort(pairs[:, 0], kind="stable")
        seconds, firsts, counts, first_counts = pairs[order].T
        second_counts, totals = _looked_up(seconds.view(np.uint64), words)
        pmi = pointwise_mutual_information(counts, first_counts, second_counts, totals)
        _settle(pmi, min_pmi, (counts, first_counts, second_counts, totals))
        reaches = pmi > min_pmi if strict else pmi >= min_pmi
        kept = np.flatnonzero(reaches & (counts >= min_count))
        yield tuple(column[kept] for column in (firsts, seconds, counts, pmi))


def pointwise_mutual_information(
    counts: NDArray[np.int64],
    first_counts: NDArray[np.int64],
    second_counts: NDArray[np.int64],
    totals: NDArray[np.int64],
) -> NDArray[np.float64]:
    """PMI in bits, log2(n12 N) - log2(n1 n2), N being the number of words (Xu et al. 2023)."""
    n_12, n_1, n_2, n = (
        column.astype(np.float64) for column in (counts, first_counts, second_counts, totals)
    )
    pmi: NDArray[np.float64] = np.log2(n_12 * n) - np.log2(n_1 * n_2)
    return pmi


def _settle(
    pmi: NDArray[np.float64], threshold: float, counts: tuple[NDArray[np.int64], ...]
) -> None:
    """Replace the PMI near a threshold by what Python computes from whole numbers of any size."""
    for row in np.flatnonzero(np.abs(pmi - threshold) < _ROUNDING):
        n_12, n_1, n_2, n = (int(column[row]) for column in counts)
        pmi[row] = math.log2(n_12 * n) - math.log2(n_1 * n_2)


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
    _add_pairs(firsts.copy(), seconds.copy(), rows[:, 2].copy(), *table)
    filled = np.flatnonzero(table[2])
    filled = filled[np.argsort(table[0][filled], kind="stable")]
    return tuple(column[filled] for column in table)  # type: ignore[return-value]


def _looked_up(
    keys: NDArray[np.uint64], words: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(count, total) of the word of each key; `keys` are sorted."""
    word_keys = words[:, 0].view(np.uint64)
    order = np.argsort(word_keys)
    starts = np.flatnonzero(np.diff(keys, prepend=keys[0] - np.uint64(1)))
    places = np.searchsorted(word_keys[order], keys[starts])
    found = words[order[places]]
    lengths = np.diff(starts, append=keys.size)
    return np.repeat(found[:, 1], lengths), np.repeat(found[:, 2], lengths)
