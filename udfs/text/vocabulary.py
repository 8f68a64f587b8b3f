"""The distinct tokens of a concept bank, as a hash table that is probed in one cache line."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.machine import load_word, lowest_bit

SLOT = 4  # words of a slot
FIRST, SECOND, TAG, NODE = range(SLOT)
SHORT = 16  # bytes of the longest token that a slot holds whole

LOW_32 = np.uint64(0xFFFFFFFF)
SHIFT_32 = np.uint64(32)
_FACTORS = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xC2B2AE3D27D4EB4F),
    np.uint64(0x165667B19E3779F9),
)
_LONG_FACTOR = np.uint64(0xD6E8FEB86659FD93)
_ROOMY_UP_TO = 1 << 18  # slots: 8 MB, which caches hold; beyond that memory counts for more


class Vocabulary(NamedTuple):
    """Tokens and what they lead to.

    `slots`: (4 * n_slots,), n_slots a power of two, linear probing. A slot's words: the token's
    first 8 bytes; the next 8, or the hash of all further ones; length << 32 | token, 0 where the
    slot is free; and a word for whoever uses the table. Token i is
    `text[start[i] : start[i] + length]`, needed only beyond 16 bytes; they are numbered from 1.
    """

    slots: NDArray[np.uint64]
    start: NDArray[np.int64]
    text: NDArray[np.uint8]


def _first_bytes(skipped: int) -> NDArray[np.uint64]:
    """Masks of a word's bytes that belong to a token, by its length, from byte `skipped` on."""
    taken = [min(max(length - skipped, 0), 8) for length in range(SHORT + 1)]
    return np.array([(1 << 8 * n) - 1 for n in taken], np.uint64)


FIRST_BYTES, SECOND_BYTES = _first_bytes(0), _first_bytes(8)


@inlined
def token_words(data, start, length):
    """The first two words of a token's slot; `data` is padded by machine.PADDING bytes.

    A negative length gives those of the empty token.
    """
    short = min(max(length, 0), SHORT)
    first = load_word(data, start) & FIRST_BYTES[short]
    second = load_word(data, start + 8) & SECOND_BYTES[short]
    if length > SHORT:
        second = _hash_beyond(data, start + 8, start + length)
    return first, second


@inlined
def _hash_beyond(data, at, end):
    hashed = np.uint64(0)
    while at < end:
        hashed = (hashed ^ (load_word(data, at) & FIRST_BYTES[min(end - at, 8)])) * _LONG_FACTOR
        hashed ^= hashed >> SHIFT_32
        at += 8
    return hashed


@inlined
def slot_shift(n_slots):
    """What shifts a 64-bit hash to a slot of `n_slots`, a power of two."""
    return np.uint64(64 - lowest_bit(np.uint64(n_slots)))


@inlined
def first_slot(first, second, length, shift):
    """The slot to try first."""
    mixed = first * _FACTORS[0] + second * _FACTORS[1] + np.uint64(length) * _FACTORS[2]
    return np.int64(mixed >> shift)


@inlined
def find_slot(vocabulary, slot, first, second, length, data, start):
    """(slot, whether it holds the token data[start : start + length], else it is free).

    Written so that a token in its first slot, or a free first slot, costs no branch that depends on
    the text.
    """
    slots = vocabulary.slots
    while True:
        tag = slots[SLOT * slot + TAG]
        holds = _holds(slots, slot, first, second, length)
        if holds & (length > SHORT):
            holds = _same_text(vocabulary, tag, length, data, start)
        if holds | (tag == 0):
            return slot, holds
        slot = (slot + 1) & (slots.size // SLOT - 1)


@inlined
def _holds(slots, slot, first, second, length):
    tag = slots[SLOT * slot + TAG]
    return (
        (slots[SLOT * slot + FIRST] == first)
        & (slots[SLOT * slot + SECOND] == second)
        & ((tag >> SHIFT_32) == np.uint64(np.uint32(length)))
        & (tag != 0)
    )


@inlined
def _same_text(vocabulary, tag, length, data, start):
    known = vocabulary.start[tag & LOW_32]
    k = 8
    while k < length and vocabulary.text[known + k] == data[start + k]:
        k += 1
    return k >= length


@compiled
def number_tokens(offsets, text, n_all):
    """(Vocabulary, tokens of all entries (n_all,), where each entry's begin (n_entries + 1,)).

    An entry's tokens are what single spaces separate, the empty ones included; n_all is their sum.
    """
    vocabulary = Vocabulary(np.zeros(SLOT * 64, np.uint64), np.zeros(n_all + 1, np.int64), text)
    tokens = np.empty(n_all, np.int32)
    begins = np.zeros(offsets.size, np.int64)
    n_tokens = 0
    n_seen = 0
    for entry in range(offsets.size - 1):
        start = offsets[entry]
        for at in range(start, offsets[entry + 1] + 1):
            if at < offsets[entry + 1] and text[at] != 32:
                continue
            length = at - start
            first, second = token_words(text, start, length)
            shift = slot_shift(vocabulary.slots.size // SLOT)
            slot = first_slot(first, second, length, shift)
            slot, known = find_slot(vocabulary, slot, first, second, length, text, start)
            if not known:
                n_tokens += 1
                tag = np.uint64(length) << SHIFT_32 | np.uint64(n_tokens)
                _fill(vocabulary.slots, slot, first, second, tag)
                vocabulary.start[n_tokens] = start
            tokens[n_seen] = vocabulary.slots[SLOT * slot + TAG] & LOW_32
            n_seen += 1
            if not known and _is_full(vocabulary.slots.size // SLOT, n_tokens):
                grown = _grown(vocabulary.slots)
                vocabulary = Vocabulary(grown, vocabulary.start, text)
            start = at + 1
        begins[entry + 1] = n_seen
    start_of_token = vocabulary.start[: n_tokens + 1].copy()
    return Vocabulary(vocabulary.slots, start_of_token, text), tokens, begins


@compiled
def _is_full(n_slots, n_tokens):
    return n_slots < (4 if n_slots < _ROOMY_UP_TO else 2) * n_tokens


@compiled
def _grown(slots):
    """The table with twice the slots."""
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
        _fill(larger, slot, first, second, tag)
    return larger


@inlined
def _fill(slots, slot, first, second, tag):
    slots[SLOT * slot + FIRST] = first
    slots[SLOT * slot + SECOND] = second
    slots[SLOT * slot + TAG] = tag
