"""Unique n-grams of sets of captions, in all of them, in samples, and without a jackknife group.

A task packs, for each distinct n-gram of each set, the smallest sample that has it, and the
jackknife group if one alone has it. After a shuffle by n-gram these are combined, and only numbers
are left.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction
from udfs.captioning.draw_bits import jackknife_group, sample_level
from udfs.captioning.key_tables import AHEAD, KeyTable, first_slot, slot_of
from udfs.captioning.ngrams import ORDERS
from udfs.captioning.nouns import NounTagger
from udfs.captioning.words import split_words
from udfs.compiled import compiled, inlined
from udfs.hashing import mixed
from udfs.id_counts import COUNTS, IDS, pack_counts
from udfs.machine import PADDING, prefetch
from udfs.text.token_trie import padded_text

SET, ORDER, LEVEL, JACKKNIFE, TYPES = "set", "ngram_order", "level", "jackknife", "types"
NOUNS = ORDERS + 1  # in place of an order: words tagged as nouns
SEVERAL = 255  # in place of a group: the n-gram is in captions of several
TYPES_KIND = 1  # of packed types among packed requests
_PACKED_AT_ONCE = 1 << 18  # types that a task collects: blobs of 2 KB
_PIECE = 1 << 16  # n-grams, each of one or two sets, that enter before the table may have to grow


class Types:
    """The distinct n-grams of sets, each with set << 24 | order << 16 | level << 8 | group.

    level: the smallest sample that has it; group: of the jackknife, or SEVERAL.
    """

    def __init__(self, *, n_orders: int = ORDERS, first_order: int = 1) -> None:
        self._n_orders, self._first_order = n_orders, first_order
        self._table = KeyTable()

    def add(
        self,
        starts: NDArray[np.int64],
        keys: NDArray[np.uint64],
        draws: NDArray[np.float64],
        sets: NDArray[np.int32],
    ) -> Iterator[pa.RecordBatch]:
        """Add n-grams of captions; yields the table packed whenever it is full.

        `starts`: (n_orders n + 1,), of each caption and order. `draws`: (n,). `sets`: (n, 2), the
        sets that each caption is in, below 0 where it is in fewer than two.
        """
        notes = sample_level(draws) << 8 | jackknife_group(draws)
        n = notes.size
        row_starts = starts[:: self._n_orders]
        row = 0
        while row < n:
            last = int(np.searchsorted(row_starts, row_starts[row] + _PIECE))
            end = min(n, max(row + 1, last - 1))
            self._table.make_room(2 * int(row_starts[end] - row_starts[row]))
            self._table.n_keys = _add(
                starts,
                keys,
                notes,
                sets,
                row,
                end,
                self._n_orders,
                self._first_order,
                self._table.slots,
                self._table.n_keys,
            )
            row = end
            if self._table.n_keys >= _PACKED_AT_ONCE:
                yield from self.flush()

    def flush(self) -> Iterator[pa.RecordBatch]:
        """Yield the table packed, and empty it."""
        if self._table.n_keys:
            keys, notes = self._table.entries()
            self._table.clear()
            yield pack_counts(keys.view(np.int64), notes.view(np.int64), kind=TYPES_KIND)


def packed_nouns(text: str, draw: str, sets: tuple[str, str]) -> BatchFunction:
    """For mapInArrow: captions -> packed types of order NOUNS.

    These are the words that nltk's tagger takes for nouns, in lower case. Columns: `text`, `draw`
    and `sets`.
    """

    def packed(batches: Batches) -> Iterator[pa.RecordBatch]:
        tagger = NounTagger()
        types = Types(n_orders=1, first_order=NOUNS)
        for batch in batches:
            words = split_words(tagger.nouns(batch.column(text)))
            draws = batch.column(draw).to_numpy(zero_copy_only=False)
            numbers = np.column_stack([np.asarray(batch.column(name)) for name in sets])
            yield from types.add(words.offsets, words.hashes, draws, numbers)
        yield from types.flush()

    return packed


class TypeNumbers:
    """Numbers of types by what is noted of them, over the parts of a task."""

    def __init__(self) -> None:
        self._totals = KeyTable()

    def add(self, packed: pa.RecordBatch) -> None:
        """Add the packed types of some parts."""
        table = KeyTable()
        keys, notes = (
            padded_text(packed.column(packed.schema.get_field_index(name)))[1][:-PADDING]
            for name in (IDS, COUNTS)
        )
        table.make_room(keys.size // 8)
        _combine(keys.view(np.uint64), notes.view(np.int64), table.slots)
        _, of_types = table.entries()
        self._totals.make_room(of_types.size)
        self._totals.n_keys = _count_notes(of_types, self._totals.slots, self._totals.n_keys)

    def rows(self) -> pa.RecordBatch:
        """set, ngram_order, level (the smallest sample, as the largest level), jackknife, types."""
        keys, types = self._totals.entries()
        notes = keys.view(np.int64)
        columns = [notes >> 24, notes >> 16 & 255, notes >> 8 & 255, notes & 255]
        arrays = [pa.array(column.astype(np.int32)) for column in columns]
        arrays.append(pa.array(types.view(np.int64)))
        return pa.RecordBatch.from_arrays(arrays, [SET, ORDER, LEVEL, JACKKNIFE, TYPES])


@inlined
def _joined(before, note):
    """The note of an n-gram that has two: the larger level, the group or SEVERAL."""
    level = max((before >> 8) & 255, (note >> 8) & 255)
    group = before & 255 if (before & 255) == (note & 255) else SEVERAL
    return (before >> 16) << 16 | level << 8 | group


@compiled
def _add(starts, keys, notes, sets, first, last, n_orders, first_order, slots, n_keys):
    """Enter the n-grams of rows first to last, salted by each set; the keys in the table."""
    for row in range(first, last):
        for place in range(sets.shape[1]):
            if sets[row, place] < 0:
                continue
            number = np.int64(sets[row, place])
            salt = mixed(np.uint64(number + 1))
            for order in range(n_orders):
                note = number << 24 | (first_order + order) << 16 | notes[row]
                for k in range(starts[n_orders * row + order], starts[n_orders * row + order + 1]):
                    if k + AHEAD < keys.size:
                        ahead = mixed(keys[k + AHEAD] ^ salt)
                        prefetch(slots, 2 * first_slot(ahead, slots.shape[0]))
                    key = mixed(keys[k] ^ salt)
                    slot = slot_of(slots, key)
                    before = np.int64(slots[slot, 1])
                    if before:
                        slots[slot, 1] = np.uint64(_joined(before, note))
                    else:
                        slots[slot, 0], slots[slot, 1] = key, np.uint64(note)
                        n_keys += 1
    return n_keys


@compiled
def _combine(keys, notes, slots):
    for k in range(keys.size):
        slot = slot_of(slots, keys[k])
        before = np.int64(slots[slot, 1])
        slots[slot, 0] = keys[k]
        slots[slot, 1] = np.uint64(_joined(before, notes[k]) if before else notes[k])


@compiled
def _count_notes(notes, slots, n_keys):
    """Count each note; the notes in the table."""
    for k in range(notes.size):
        slot = slot_of(slots, notes[k])
        if not slots[slot, 1]:
            slots[slot, 0] = notes[k]
            n_keys += 1
        slots[slot, 1] += np.uint64(1)
    return n_keys
