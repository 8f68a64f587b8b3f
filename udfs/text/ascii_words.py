"""Whether ASCII texts have a word of a list: read up to the first such word, compared by bytes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.text.token_trie import padded_text

_PRIME = np.uint64(0x100000001B3)  # of FNV-1a, a byte at a time
_BASIS = np.uint64(0xCBF29CE484222325)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


class WordTable(NamedTuple):
    """Words by their hash, with linear probing.

    `slots`: (n_slots,), the number of a word, or -1; n_slots is a power of two. Word k is
    text[offsets[k] : offsets[k + 1]].
    """

    slots: NDArray[np.int32]
    offsets: NDArray[np.int64]
    text: NDArray[np.uint8]


def word_table(words: Sequence[str]) -> WordTable:
    """The table of distinct words in lower case."""
    offsets, text = padded_text(pa.array(words, pa.string()))
    slots = np.full(1 << max(4, (4 * len(words)).bit_length()), -1, np.int32)
    _enter(slots, offsets, text)
    return WordTable(slots, offsets, text)


def has_ascii_word(texts: pa.Array, words: WordTable) -> tuple[pa.BooleanArray, NDArray[np.int64]]:
    """(has_word, unread): whether a word of each text, in lower case, is in the table.

    Words are what stands between white space. Unread: the rows of texts that are not ASCII up to
    their first listed word; these have none yet. False for null.
    """
    offsets, text = padded_text(texts)
    has_word, is_unread = _has_word(offsets, text, *words)
    if texts.null_count:  # bytes may stand below a null
        is_there = np.asarray(texts.is_valid())
        has_word, is_unread = has_word & is_there, is_unread & is_there
    return pa.array(has_word), np.flatnonzero(is_unread)


@inlined
def _slot(hashed, n_slots):
    return np.int64((hashed * _SPREAD) >> np.uint64(32)) & (n_slots - 1)


@compiled
def _enter(slots, offsets, text):
    for word in range(offsets.size - 1):
        hashed = _BASIS
        for k in range(offsets[word], offsets[word + 1]):
            hashed = (hashed ^ np.uint64(text[k])) * _PRIME
        slot = _slot(hashed, slots.size)
        while slots[slot] >= 0:
            slot = (slot + 1) & (slots.size - 1)
        slots[slot] = word


@inlined
def _in_table(text, start, end, hashed, slots, word_offsets, words):
    """Whether text[start:end], whose hash in lower case is `hashed`, is one of the words."""
    slot = _slot(hashed, slots.size)
    while slots[slot] >= 0:
        first = word_offsets[slots[slot]]
        if word_offsets[slots[slot] + 1] - first == end - start:
            k = 0
            while k < end - start and _lower(text[start + k]) == words[first + k]:
                k += 1
            if k == end - start:
                return True
        slot = (slot + 1) & (slots.size - 1)
    return False


@inlined
def _lower(byte):
    return byte + np.uint8(32) if 65 <= byte <= 90 else byte


@compiled
def _has_word(offsets, text, slots, word_offsets, words):
    """(has_word, is_unread) of each row."""
    n_rows = offsets.size - 1
    has_word, is_unread = np.zeros(n_rows, np.bool_), np.zeros(n_rows, np.bool_)
    for row in range(n_rows):
        start, end = offsets[row], offsets[row + 1]
        hashed = _BASIS
        for k in range(start, end + 1):
            byte = text[k] if k < end else np.uint8(32)
            if byte > 32:
                if byte >= 128:
                    is_unread[row] = True
                    break
                hashed = (hashed ^ np.uint64(_lower(byte))) * _PRIME
            elif byte == 32 or 9 <= byte <= 13 or 28 <= byte <= 31:
                if k > start and _in_table(text, start, k, hashed, slots, word_offsets, words):
                    has_word[row] = True
                    break
                start, hashed = k + 1, _BASIS
            else:
                hashed = (hashed ^ np.uint64(byte)) * _PRIME
    return has_word, is_unread
