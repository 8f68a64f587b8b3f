"""Count the words of a task's texts, each under its 64-bit hash."""

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

NAMES = ("lang", "word", "word_hash", "count")
_FEWEST_WORDS, _MOST_WORDS = 1 << 10, 1 << 20  # that a table holds before it is emptied
_FEWEST_BYTES = 1 << 14
_ROWS_AT_ONCE = 1 << 16  # of a batch that is passed on
_SLOTS_PER_WORD = 2


class WordTable:
    """Words with their counts, in order of first occurrence; grows up to a limit."""

    def __init__(self, seed: int, *, most_words: int = _MOST_WORDS, hash_bits: int = 64) -> None:
        self._seed = np.uint64(seed)
        self._mask = np.uint64((1 << hash_bits) - 1)
        self._most_words = most_words
        self._allocate(min(_FEWEST_WORDS, most_words), _FEWEST_BYTES)

    def _allocate(self, n_words: int, n_bytes: int) -> None:
        self._hashes = np.zeros(n_words, np.uint64)
        self._counts = np.zeros(n_words, np.int64)
        self._ends = np.zeros(n_words + 1, np.int64)  # of word k: text[ends[k] : ends[k + 1]]
        self._text = np.zeros(n_bytes, np.uint8)
        self._slots = _empty_slots(n_words)
        self._n_words = 0

    @property
    def n_bytes(self) -> int:
        """Memory that the table takes."""
        arrays = (self._hashes, self._counts, self._ends, self._text, self._slots)
        return sum(array.nbytes for array in arrays)

    def add(self, padded: PaddedText) -> Iterator[pa.RecordBatch]:
        """Count the words of texts; yields what is in the table, and empties it, when it is full.

        Columns: word, word_hash, count.
        """
        offsets, text = padded
        row, n_rows = 0, offsets.size - 1
        while row < n_rows:
            row, self._n_words = _count_words(
                *(offsets, text, row, token_kinds(), self._seed, self._mask),
                *(self._slots, self._hashes, self._counts, self._ends, self._text, self._n_words),
            )
            if row < n_rows:
                yield from self._make_room(int(offsets[row + 1] - offsets[row]))

    def _make_room(self, row_bytes: int) -> Iterator[pa.RecordBatch]:
        """Grow the table to hold another row; at its limit, empty it first."""
        if self._n_words and 2 * self._hashes.size > self._most_words:
            yield from self.flush()
        n_words = max(2 * self._hashes.size, self._n_words + row_bytes + 1)
        n_words = n_words if self._n_words else max(self._hashes.size, row_bytes + 1)
        n_bytes = max(self._text.size, 2 * (int(self._ends[self._n_words]) + row_bytes))
        self._hashes, self._counts, self._ends, self._text = (
            _extended(array, size)
            for array, size in (
                (self._hashes, n_words),
                (self._counts, n_words),
                (self._ends, n_words + 1),
                (self._text, n_bytes),
            )
        )
        self._slots = _empty_slots(n_words)
        _fill_slots(self._slots, self._hashes[: self._n_words])

    def flush(self) -> Iterator[pa.RecordBatch]:
        """Yield the words counted so far, and empty the table."""
        for start in range(0, self._n_words, _ROWS_AT_ONCE):
            end = min(start + _ROWS_AT_ONCE, self._n_words)
            offsets = self._ends[start : end + 1] - self._ends[start]
            text = self._text[self._ends[start] : self._ends[end]].tobytes()
            words = pa.LargeStringArray.from_buffers(
                end - start, pa.py_buffer(offsets), pa.py_buffer(text)
            )
            hashes = self._hashes[start:end].view(np.int64).copy()
            columns = [words.cast(pa.string()), pa.array(hashes)]
            columns.append(pa.array(self._counts[start:end].copy()))
            yield pa.RecordBatch.from_arrays(columns, NAMES[1:])
        self._counts[:] = 0
        self._slots[:] = 0
        self._n_words = 0


def _empty_slots(n_words: int) -> NDArray[np.int32]:
    """Slots of word numbers from 1 on; 0 is free. A power of two, at most half of them full."""
    return np.zeros(1 << (_SLOTS_PER_WORD * n_words - 1).bit_length(), np.int32)


def _extended(array: NDArray[Any], size: int) -> NDArray[Any]:
    extended = np.zeros(max(size, array.size), array.dtype)
    extended[: array.size] = array
    return extended


@compiled
def _fill_slots(slots, hashes):
    mask = slots.size - 1
    for word in range(hashes.size):
        slot = np.int64(hashes[word]) & mask
        while slots[slot]:
            slot = (slot + 1) & mask
        slots[slot] = word + 1


@compiled
def _count_words(
    offsets, text, row, kinds, seed, hash_mask, slots, hashes, counts, ends, words, n_words
):
    """(the first row that was not counted for want of room, number of words)."""
    slot_mask = slots.size - 1
    while row < offsets.size - 1:
        position, end = offsets[row], offsets[row + 1]
        if n_words + end - position > hashes.size or ends[n_words] + end - position > words.size:
            break
        while True:
            kind, start, position = next_token(text, position, end, kinds)
            if kind == NO_TOKEN:
                break
            if kind != WORD_TOKEN:
                continue
            hashed = token_hash(text, start, position, seed) & hash_mask
            slot = np.int64(hashed) & slot_mask
            while slots[slot] and not _is_word(
                text, start, position, hashed, slots[slot] - 1, hashes, ends, words
            ):
                slot = (slot + 1) & slot_mask
            if slots[slot]:
                counts[slots[slot] - 1] += 1
                continue
            hashes[n_words] = hashed
            counts[n_words] = 1
            first = ends[n_words]
            for k in range(position - start):
                words[first + k] = text[start + k]
            ends[n_words + 1] = first + position - start
            n_words += 1
            slots[slot] = n_words
        row += 1
    return row, n_words


@inlined
def _is_word(text, start, end, hashed, word, hashes, ends, words):
    """Whether text[start:end] is the word of that number."""
    first = ends[word]
    if hashes[word] != hashed or ends[word + 1] - first != end - start:
        return False
    for k in range(end - start):  # noqa: SIM110  a loop that numba inlines
        if words[first + k] != text[start + k]:
            return False
    return True


def count_words(batches: Batches, *, seed: int) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: columns lang, text -> NAMES, the counts of a task, and of its texts.

    Texts are counted under the word null. A word has a row each time that the table was full.
    """
    tables = LanguageTables(lambda lang: WordTable(language_seed(lang, seed)))
    n_texts: dict[str, int] = {}
    for batch in batches:
        for lang, texts in by_language(batch):
            table = tables.of(lang)
            n_texts[lang] = n_texts.get(lang, 0) + len(texts)
            yield from _with_language(table.add(without_tags(padded_text(texts))), lang)
        for lang, table in tables.take_largest():
            yield from _with_language(table.flush(), lang)
    for lang, table in tables.take_all():
        yield from _with_language(table.flush(), lang)
    langs, counts = [*n_texts], [*n_texts.values()]
    columns = [pa.array(langs, pa.string()), pa.nulls(len(langs), pa.string())]
    columns += [pa.nulls(len(langs), pa.int64()), pa.array(counts, pa.int64())]
    yield pa.RecordBatch.from_arrays(columns, NAMES)


def _with_language(batches: Iterator[pa.RecordBatch], lang: str) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        langs = pa.repeat(pa.scalar(lang, pa.string()), batch.num_rows)
        yield pa.RecordBatch.from_arrays([langs, *batch.columns], NAMES)
