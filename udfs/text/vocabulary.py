"""The distinct tokens of a concept bank as a hash table whose probes read one cache line.

A slot is 4 uint64 words (32 bytes), so a look-up that ends in its first slot costs a single miss.
Tokens of up to 16 bytes are stored whole in the slot and compared as two words; of longer ones the
slot has the first 8 bytes and a hash, and a hit is confirmed by comparing the text. Open
addressing with linear probing; a free slot has tag 0.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.machine import load_word, lowest_bit

SLOT = 4  # words of a slot
FIRST, SECOND, TAG, TARGET = range(SLOT)  # what its words are
INLINE_BYTES = 16  # length of the longest token that a slot holds whole

LOW_32 = np.uint64(0xFFFFFFFF)
SHIFT_32 = np.uint64(32)
_HASH_FACTORS = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xC2B2AE3D27D4EB4F),
    np.uint64(0x165667B19E3779F9),
)
_LONG_TOKEN_FACTOR = np.uint64(0xD6E8FEB86659FD93)
# Tables with fewer slots than this (8 MB, which caches hold) are at most a quarter full, for fewer
# probes; larger ones at most half, for less memory.
_MAX_SPARSE_SLOTS = 1 << 18


class Vocabulary(NamedTuple):
    """Distinct tokens, numbered from 1, each with a 64-bit target.

    `slots`: (4 * n_slots,), n_slots a power of two. FIRST: the token's first 8 bytes; SECOND: its
    next 8, or the hash of all further ones if it is longer than 16; TAG: length << 32 | token
    number, 0 in a free slot; TARGET: set by the user of the table (see token_trie). `start`:
    (n_tokens + 1,); token i is `text[start[i] : start[i] + length]`, read only for tokens longer
    than 16 bytes.
    """

    slots: NDArray[np.uint64]
    start: NDArray[np.int64]
    text: NDArray[np.uint8]


def _byte_masks(first_byte: int) -> NDArray[np.uint64]:
    """Masks of the bytes `first_byte` to `first_byte + 7` of a token, by its length, (17,)."""
    n_bytes = [min(max(length - first_byte, 0), 8) for length in range(INLINE_BYTES + 1)]
    return np.array([(1 << 8 * n) - 1 for n in n_bytes], np.uint64)


FIRST_MASKS, SECOND_MASKS = _byte_masks(0), _byte_masks(8)


@inlined
def token_words(text, start, length):
    """The FIRST and SECOND word of a token; `text` is padded by machine.PADDING bytes.

    A negative length gives the words of the empty token.
    """
    n_inline = min(max(length, 0), INLINE_BYTES)
    first = load_word(text, start) & FIRST_MASKS[n_inline]
    second = load_word(text, start + 8) & SECOND_MASKS[n_inline]
    if length > INLINE_BYTES:
        second = _hash_bytes(text, start + 8, start + length)
    return first, second


@inlined
def _hash_bytes(text, position, end):
    """Hash of text[position:end]."""
    hashed = np.uint64(0)
    while position < end:
        hashed = (
            hashed ^ (load_word(text, position) & FIRST_MASKS[min(end - position, 8)])
        ) * _LONG_TOKEN_FACTOR
        hashed ^= hashed >> SHIFT_32
        position += 8
    return hashed


@inlined
def slot_shift(n_slots):
    """Right shift that turns a 64-bit hash into one of `n_slots` slots, a power of two."""
    return np.uint64(64 - lowest_bit(np.uint64(n_slots)))


@inlined
def first_slot(first, second, length, shift):
    """The slot at which probing for a token begins."""
    mixed = (
        first * _HASH_FACTORS[0] + second * _HASH_FACTORS[1] + np.uint64(length) * _HASH_FACTORS[2]
    )
    return np.int64(mixed >> shift)


@inlined
def find_slot(vocabulary, slot, first, second, length, text, start):
    """(slot, True) if the token text[start : start + length] is in a slot, else (free slot, False).

    Written so that a token in its first slot, or a free first slot, costs no branch that depends on
    the text: such branches are mispredicted.
    """
    slots = vocabulary.slots
    while True:
        tag = slots[SLOT * slot + TAG]
        is_token = _has_words(slots, slot, first, second, length)
        if is_token & (length > INLINE_BYTES):
            is_token = _has_text(vocabulary, tag, length, text, start)
        if is_token | (tag == 0):
            return slot, is_token
        slot = (slot + 1) & (slots.size // SLOT - 1)


@inlined
def _has_words(slots, slot, first, second, length):
    """Whether a slot is in use and has these words and this length."""
    tag = slots[SLOT * slot + TAG]
    return (
        (slots[SLOT * slot + FIRST] == first)
        & (slots[SLOT * slot + SECOND] == second)
        & ((tag >> SHIFT_32) == np.uint64(np.uint32(length)))
        & (tag != 0)
    )


@inlined
def _has_text(vocabulary, tag, length, text, start):
    """Whether the token of a tag, of the same length, has these bytes from the ninth on."""
    token_start = vocabulary.start[tag & LOW_32]
    k = 8
    while k < length and vocabulary.text[token_start + k] == text[start + k]:
        k += 1
    return k >= length


@compiled
def build_vocabulary(offsets, text, n_entry_tokens):
    """Number the tokens of all entries, which are what single spaces separate, empty ones included.

    `n_entry_tokens`: how many there are. Gives (Vocabulary, token numbers of all entries one after
    the other (n_entry_tokens,), where each entry's begin (n_entries + 1,)).
    """
    vocabulary = Vocabulary(
        np.zeros(SLOT * 64, np.uint64), np.zeros(n_entry_tokens + 1, np.int64), text
    )
    tokens = np.empty(n_entry_tokens, np.int32)
    token_offsets = np.zeros(offsets.size, np.int64)
    n_distinct = 0
    n_tokens = 0
    for entry in range(offsets.size - 1):
        start = offsets[entry]
        for position in range(start, offsets[entry + 1] + 1):
            if position < offsets[entry + 1] and text[position] != 32:
                continue
            length = position - start
            first, second = token_words(text, start, length)
            shift = slot_shift(vocabulary.slots.size // SLOT)
            slot = first_slot(first, second, length, shift)
            slot, is_known = find_slot(vocabulary, slot, first, second, length, text, start)
            if not is_known:
                n_distinct += 1
                tag = np.uint64(length) << SHIFT_32 | np.uint64(n_distinct)
                _write_slot(vocabulary.slots, slot, first, second, tag)
                vocabulary.start[n_distinct] = start
            tokens[n_tokens] = vocabulary.slots[SLOT * slot + TAG] & LOW_32
            n_tokens += 1
            if not is_known and _is_full(vocabulary.slots.size // SLOT, n_distinct):
                doubled = _double(vocabulary.slots)
                vocabulary = Vocabulary(doubled, vocabulary.start, text)
            start = position + 1
        token_offsets[entry + 1] = n_tokens
    token_starts = vocabulary.start[: n_distinct + 1].copy()
    return Vocabulary(vocabulary.slots, token_starts, text), tokens, token_offsets


@compiled
def _is_full(n_slots, n_used):
    return n_slots < (4 if n_slots < _MAX_SPARSE_SLOTS else 2) * n_used


@compiled
def _double(slots):
    """A copy of the table with twice the slots."""
    larger = np.zeros(2 * slots.size, np.uint64)
    n_slots = larger.size // SLOT
    shift = slot_shift(n_slots)
    for old in range(0, slots.size, SLOT):
        tag = slots[old + TAG]
        if tag == 0:
            continue
        first, second = slots[old + FIRST], slots[old + SECOND]
        slot = first_slot(first, second, tag >> SHIFT_32, shift)
        while larger[SLOT * slot + TAG] != 0:
            slot = (slot + 1) & (n_slots - 1)
        _write_slot(larger, slot, first, second, tag)
    return larger


@inlined
def _write_slot(slots, slot, first, second, tag):
    slots[SLOT * slot + FIRST] = first
    slots[SLOT * slot + SECOND] = second
    slots[SLOT * slot + TAG] = tag
