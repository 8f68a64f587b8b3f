"""Unique n-grams of sets of captions, in all of them, in samples, and without a jackknife group.

A task packs, for each distinct n-gram of each set, the smallest sample that has it, and the
jackknife group if one alone has it. After a shuffle by n-gram these are combined, and only numbers
are left.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction
from udfs.captioning.draw_bits import jackknife_group, sample_level
from udfs.captioning.hashing import mixed
from udfs.captioning.ngrams import ORDERS, count_ngrams
from udfs.captioning.nouns import NounTagger
from udfs.captioning.tokens import Tokeniser, TokenRule
from udfs.captioning.words import split_words
from udfs.compiled import compiled
from udfs.id_counts import COUNTS, IDS, blobs_by_part, concatenated, pack_counts

SET, ORDER, LEVEL, JACKKNIFE, TYPES = "set", "ngram_order", "level", "jackknife", "types"
NOUNS = ORDERS + 1  # in place of an order: words tagged as nouns
SEVERAL = 255  # in place of a group: the n-gram is in captions of several
_BUFFERED = 1 << 21


def packed_types(rule: TokenRule) -> BatchFunction:
    """For mapInArrow: columns caption, sets (a list of set numbers) and draw -> packed n-grams."""

    def packed(batches: Batches) -> Iterator[pa.RecordBatch]:
        tokeniser = Tokeniser(rule)

        def keys_of(captions: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
            ngrams = count_ngrams(tokeniser.tokens(captions))
            return ngrams.starts, ngrams.keys

        return _packed(batches, keys_of, n_orders=ORDERS, first_order=1)

    return packed


def packed_nouns() -> BatchFunction:
    """The same of the words that nltk's tagger takes for nouns, in lower case, as order NOUNS."""

    def packed(batches: Batches) -> Iterator[pa.RecordBatch]:
        tagger = NounTagger()

        def keys_of(captions: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
            words = split_words(tagger.nouns(captions))
            return words.offsets, words.hashes

        return _packed(batches, keys_of, n_orders=1, first_order=NOUNS)

    return packed


def _packed(
    batches: Batches,
    keys_of: Callable[[pa.Array], tuple[NDArray[np.int64], NDArray[np.uint64]]],
    *,
    n_orders: int,
    first_order: int,
) -> Iterator[pa.RecordBatch]:
    """Pack the keys of each caption; `keys_of` gives starts of each caption and order, and keys."""
    buffer: list[tuple[NDArray[np.uint64], NDArray[np.int64]]] = []
    for batch in batches:
        starts, keys = keys_of(batch.column(0))
        buffer.append(_of_sets(batch, starts, keys, n_orders, first_order))
        if sum(keys.size for keys, _ in buffer) >= _BUFFERED:
            merged = _merged(*map(np.concatenate, zip(*buffer, strict=True)))
            # Where n-grams repeat, the buffer may go on.
            buffer = [merged]
            if 2 * merged[0].size >= _BUFFERED:
                yield pack_counts(merged[0].view(np.int64), merged[1])
                buffer = []
    if buffer:
        keys, notes = _merged(*map(np.concatenate, zip(*buffer, strict=True)))
        yield pack_counts(keys.view(np.int64), notes)


def counted_types(batches: Batches) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: packed n-grams, sorted by part -> numbers of types by what is noted of them.

    Columns set, ngram_order, level (the smallest sample, as the largest level), jackknife, types.
    """
    totals: dict[int, int] = {}
    for blobs in blobs_by_part(batches):
        keys = concatenated(blobs[IDS]).view(np.uint64)
        _, notes = _merged(keys, concatenated(blobs[COUNTS]))
        for note, n in zip(*np.unique(notes, return_counts=True), strict=True):
            totals[int(note)] = totals.get(int(note), 0) + int(n)
    if totals:
        notes = np.array(list(totals), np.int64)
        columns = [notes >> 24, notes >> 16 & 255, notes >> 8 & 255, notes & 255]
        arrays = [pa.array(column.astype(np.int32)) for column in columns]
        arrays.append(pa.array(list(totals.values()), pa.int64()))
        yield pa.RecordBatch.from_arrays(arrays, [SET, ORDER, LEVEL, JACKKNIFE, TYPES])


def _of_sets(
    batch: pa.RecordBatch,
    starts: NDArray[np.int64],
    keys: NDArray[np.uint64],
    n_orders: int,
    first_order: int,
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """(keys, notes) of the n-grams of each caption in each of its sets."""
    draws = batch.column(2).to_numpy(zero_copy_only=False)
    notes = sample_level(draws) << 8 | jackknife_group(draws)
    sets = batch.column(1)
    set_offsets = np.asarray(sets.offsets).astype(np.int64)
    numbers = sets.values.to_numpy()
    new_keys, new_notes = _noted(starts, keys, notes, set_offsets, numbers, n_orders, first_order)
    return new_keys, new_notes


@compiled
def _noted(starts, keys, notes, set_offsets, sets, n_orders, first_order):
    """Keys of n-grams by set, each with set << 24 | order << 16 | level << 8 | group."""
    n_rows = notes.size
    n = 0
    for row in range(n_rows):
        n_keys = starts[n_orders * row + n_orders] - starts[n_orders * row]
        n += n_keys * (set_offsets[row + 1] - set_offsets[row])
    new_keys, new_notes = np.empty(n, np.uint64), np.empty(n, np.int64)
    n = 0
    for row in range(n_rows):
        for place in range(set_offsets[row], set_offsets[row + 1]):
            number = np.int64(sets[place])
            salt = mixed(np.uint64(number + 1))
            for order in range(n_orders):
                for k in range(starts[n_orders * row + order], starts[n_orders * row + order + 1]):
                    new_keys[n] = mixed(keys[k] ^ salt)
                    new_notes[n] = number << 24 | (first_order + order) << 16 | notes[row]
                    n += 1
    return new_keys, new_notes


def _merged(
    keys: NDArray[np.uint64], notes: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """One note for each distinct key: the largest level, the group or SEVERAL."""
    order = np.argsort(keys)
    new_keys, new_notes = _combined(keys[order], notes[order])
    return new_keys, new_notes


@compiled
def _combined(keys, notes):
    new_keys, new_notes = np.empty_like(keys), np.empty_like(notes)
    n = 0
    for k in range(keys.size):
        if n and new_keys[n - 1] == keys[k]:
            before, note = new_notes[n - 1], notes[k]
            level = max(before >> 8 & 255, note >> 8 & 255)
            group = before & 255 if (before & 255) == (note & 255) else SEVERAL
            new_notes[n - 1] = (before >> 16) << 16 | level << 8 | group
        else:
            new_keys[n], new_notes[n] = keys[k], notes[k]
            n += 1
    return new_keys[:n].copy(), new_notes[:n].copy()
