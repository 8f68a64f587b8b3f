"""Entries as a trie of code points, to be found anywhere in a text, also inside words."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.text.rewriting import decode
from udfs.text.token_trie import LAST, Duplicates, padded_text

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_CODE_BITS = 21
ROOT = 1


class SubstringTrie(NamedTuple):
    """A hash table of edges, linear probing, with a filter before it.

    `firsts`: bit c & 0xFFFF tells whether an entry may begin with code point c.
    `slots`: (2 * n_slots,), n_slots a power of two: node << 21 | code point, 0 where free, and the
    node that follows. `entry_of`: (n_nodes,), the first entry that ends there, or LAST;
    `next_equal`: (n_entries,), the next entry with the same text, or LAST. `longest`: bytes of the
    longest entry.
    """

    firsts: NDArray[np.uint8]
    slots: NDArray[np.int64]
    entry_of: NDArray[np.int32]
    next_equal: NDArray[np.int32]
    longest: int


def build_substring_trie(
    entries: pa.StringArray, *, duplicates: Duplicates = "all"
) -> SubstringTrie:
    """The trie of a bank; the id of an entry is its position. An empty entry matches nothing.

    `duplicates`: of identical entries a match reports "all" ids, or the "last" one.
    """
    offsets, text = padded_text(entries)
    slots, entry_of, next_equal = _build(offsets, text, duplicates == "last")
    keys = slots[::2]
    begin = keys[keys >> _CODE_BITS == ROOT] & 0xFFFF
    firsts = np.zeros(1 << 16, np.uint8)
    firsts[begin] = 1
    longest = int(np.diff(offsets).max(initial=0))
    bits = np.packbits(firsts, bitorder="little")
    return SubstringTrie(bits, slots, entry_of, next_equal, longest)


@inlined
def follow(slots, node, code):
    """The node that an edge leads to, 0 where there is none."""
    key = node << _CODE_BITS | np.int64(code)
    slot = slot_of(slots, key)
    while slots[2 * slot] != key and slots[2 * slot] != 0:
        slot = (slot + 1) & (slots.size // 2 - 1)
    return slots[2 * slot + 1]


@inlined
def slot_of(slots, key):
    """The slot to try first."""
    return np.int64((np.uint64(key) * _FACTOR) >> np.uint64(24)) & (slots.size // 2 - 1)


@compiled
def _build(offsets, text, last_only):
    n_entries = offsets.size - 1
    slots = np.zeros(2 * 64, np.int64)
    entry_of = np.full(64, LAST, np.int32)
    end_of = np.zeros(n_entries, np.int64)
    n_nodes = ROOT + 1
    for entry in range(n_entries):
        node = ROOT
        at = offsets[entry]
        while at < offsets[entry + 1]:
            code, at = decode(text, at, offsets[entry + 1])
            child = follow(slots, node, code)
            if child == 0:
                child = n_nodes
                n_nodes += 1
                _insert(slots, node << _CODE_BITS | code, child)
                if 4 * n_nodes > slots.size // 2:
                    slots = _grown(slots)
                if n_nodes > entry_of.size:
                    larger = np.full(2 * entry_of.size, LAST, np.int32)
                    larger[: entry_of.size] = entry_of
                    entry_of = larger
            node = child
        end_of[entry] = node
    next_equal = np.full(n_entries, LAST, np.int32)
    for entry in range(n_entries - 1, -1, -1):
        node = end_of[entry]
        if node == ROOT or (last_only and entry_of[node] != LAST):
            continue
        next_equal[entry] = entry_of[node]
        entry_of[node] = entry
    return slots, entry_of[:n_nodes].copy(), next_equal


@compiled
def _insert(slots, key, child):
    slot = slot_of(slots, key)
    while slots[2 * slot] != 0:
        slot = (slot + 1) & (slots.size // 2 - 1)
    slots[2 * slot] = key
    slots[2 * slot + 1] = child


@compiled
def _grown(slots):
    larger = np.zeros(2 * slots.size, np.int64)
    for old in range(0, slots.size, 2):
        if slots[old] != 0:
            _insert(larger, slots[old], slots[old + 1])
    return larger
