"""Count the bigrams of a task's texts, pairs of word hashes.

A bigram is two words with only white space between them, or nothing where a script has no spaces.
The hashes of two words take 16 bytes, so that a shuffle moves no text, and no row for a bigram: all
pairs are divided into parts by a hash, and a task passes on arrays of a part, as bytes.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches
from udfs.compiled import compiled, inlined
from udfs.text.corpus_tokens import (
    NO_TOKEN,
    WORD_TOKEN,
    by_language,
    language_seed,
    next_token,
    token_hash,
    token_kinds,
    without_tags,
)
from udfs.text.language_tables import LanguageTables
from udfs.text.token_trie import PaddedText, padded_text

PART, IS_WORD, ROWS = "part", "is_word", "rows"  # columns of packed rows
_PART_BITS = 10
_FEWEST_PAIRS, _MOST_PAIRS = 1 << 10, 1 << 21  # that a table holds before it is emptied
_FACTORS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
_SHIFT = np.uint64(32)
Pairs = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]


class PairTable:
    """Bigrams with their counts; grows up to a limit."""

    def __init__(
        self, seed: int, left_out: NDArray[np.uint64], *, most_pairs: int = _MOST_PAIRS
    ) -> None:
        """`left_out`: the hash_set of words whose bigrams are not counted."""
        self._seed = np.uint64(seed)
        self._left_out = left_out
        self._most_pairs = most_pairs
        self._allocate(min(_FEWEST_PAIRS, most_pairs))

    def _allocate(self, n_pairs: int) -> None:
        n_slots = 1 << (2 * n_pairs - 1).bit_length()
        self._firsts, self._seconds = (np.zeros(n_slots, np.uint64) for _ in range(2))
        self._counts = np.zeros(n_slots, np.int64)  # 0: a free slot
        self._n_pairs = 0

    @property
    def n_bytes(self) -> int:
        """Memory that the table takes."""
        return self._firsts.nbytes + self._seconds.nbytes + self._counts.nbytes

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
        self._n_pairs = add_pairs(*pairs, self._firsts, self._seconds, self._counts)

    def _pairs(self) -> Pairs:
        filled = np.flatnonzero(self._counts)
        return self._firsts[filled], self._seconds[filled], self._counts[filled]

    def flush(self) -> Iterator[Pairs]:
        """Yield the bigrams counted so far, and empty the table."""
        yield self._pairs()
        self._counts[:] = 0
        self._n_pairs = 0


def hash_set(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
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
def add_pairs(new_firsts, new_seconds, new_counts, firsts, seconds, counts):
    """Add pairs to an open hash table at most half full; the number of those that are new."""
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
            if kind == WORD_TOKEN:
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
    slots = hash_set(left_out)
    tables = LanguageTables(lambda lang: PairTable(language_seed(lang, seed), slots))
    for batch in batches:
        for lang, texts in by_language(batch):
            yield from _packed_pairs(tables.of(lang).add(without_tags(padded_text(texts))))
        for _, table in tables.take_largest():
            yield from _packed_pairs(table.flush())
    for _, table in tables.take_all():
        yield from _packed_pairs(table.flush())


def _packed_pairs(parts: Iterator[Pairs]) -> Iterator[pa.RecordBatch]:
    for pairs in parts:
        yield packed(pairs[0], pairs)


def packed(
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
