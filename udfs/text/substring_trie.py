"""Entries as a trie of code points, to be found anywhere in a text, also inside words.

The trie's edges are one hash table (node, code point) -> node, and the search starts at each code
point of a text and follows edges until none is left. A bit set of possible first code points
rejects most starts without touching the table.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.text.rewriting import decode
from udfs.text.token_trie import NO_ENTRY, Duplicates, padded_text

_HASH_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_CODE_BITS = 21
ROOT = 1


class SubstringTrie(NamedTuple):
    """A trie of code points; a tuple, so that numba takes it as one argument.

    `first_filter`: (8192,) bytes; bit c & 0xFFFF is set if an entry begins with code point c.
    `slots`: (2 * n_slots,), n_slots a power of two, linear probing; slot k has the key
    node << 21 | code point at 2k, 0 if free, and the next node at 2k + 1. `node_entries`:
    (n_nodes,), the first entry that ends at a node, or NO_ENTRY. `next_equal`: (n_entries,), the
    next entry with the same text, or NO_ENTRY. `longest`: bytes of the longest entry.
    """

    first_filter: NDArray[np.uint8]
    slots: NDArray[np.int64]
    node_entries: NDArray[np.int32]
    next_equal: NDArray[np.int32]
    longest: int


def build_substring_trie(
    entries: pa.StringArray, *, duplicates: Duplicates = "all"
) -> SubstringTrie:
    """Build the trie of a bank; the id of an entry is its position. Empty entries match nothing.

    `duplicates`: of identical entries a match reports "all" ids, or the "last" one.
    """
    offsets, text = padded_text(entries)
    slots, node_entries, next_equal = _build(offsets, text, duplicates == "last")
    keys = slots[::2]
    first_codes = keys[keys >> _CODE_BITS == ROOT] & 0xFFFF
    is_first = np.zeros(1 << 16, np.uint8)
    is_first[first_codes] = 1
    longest = int(np.diff(offsets).max(initial=0))
    first_filter = np.packbits(is_first, bitorder="little")
    return SubstringTrie(first_filter, slots, node_entries, next_equal, longest)


@inlined
def find_entries(codes, start, n_codes, trie, write, out, n):
    """Find the entries that begin at code point `start` of a text of `n_codes` code points.

    `write(out, n, entry, start, end)`: an inlined kernel that writes the entry in codes[start:end]
    to place `n` of `out`, if it has one, and gives the next place. Gives the place after the last.
    """
    first_filter, slots = trie.first_filter, trie.slots
    node_entries, next_equal = trie.node_entries, trie.next_equal
    low = codes[start] & 0xFFFF
    if (first_filter[low >> 3] >> (low & 7)) & 1 == 0:
        return n
    node = ROOT
    end = start
    while end < n_codes:
        node = _next_node(slots, node, codes[end])
        if node == 0:
            break
        end += 1
        entry = node_entries[node]
        while entry != NO_ENTRY:
            n = write(out, n, entry, start, end)
            entry = next_equal[entry]
    return n


@inlined
def _next_node(slots, node, code):
    """The node that a node's edge for a code point leads to, 0 if there is no such edge."""
    key = node << _CODE_BITS | np.int64(code)
    slot = _first_slot(slots, key)
    while slots[2 * slot] != key and slots[2 * slot] != 0:
        slot = (slot + 1) & (slots.size // 2 - 1)
    return slots[2 * slot + 1]


@inlined
def _first_slot(slots, key):
    """The slot at which probing for a key begins."""
    return np.int64((np.uint64(key) * _HASH_FACTOR) >> np.uint64(24)) & (slots.size // 2 - 1)


@compiled
def _build(offsets, text, last_only):
    """(slots, node_entries, next_equal) of a SubstringTrie."""
    n_entries = offsets.size - 1
    slots = np.zeros(2 * 64, np.int64)
    node_entries = np.full(64, NO_ENTRY, np.int32)
    last_nodes = np.zeros(n_entries, np.int64)
    n_nodes = ROOT + 1
    for entry in range(n_entries):
        node = ROOT
        position = offsets[entry]
        while position < offsets[entry + 1]:
            code, position = decode(text, position, offsets[entry + 1])
            child = _next_node(slots, node, code)
            if child == 0:
                child = n_nodes
                n_nodes += 1
                _insert(slots, node << _CODE_BITS | code, child)
                if 4 * n_nodes > slots.size // 2:
                    slots = _double(slots)
                if n_nodes > node_entries.size:
                    larger = np.full(2 * node_entries.size, NO_ENTRY, np.int32)
                    larger[: node_entries.size] = node_entries
                    node_entries = larger
            node = child
        last_nodes[entry] = node
    next_equal = np.full(n_entries, NO_ENTRY, np.int32)
    for entry in range(n_entries - 1, -1, -1):
        node = last_nodes[entry]
        if node == ROOT or (last_only and node_entries[node] != NO_ENTRY):
            continue
        next_equal[entry] = node_entries[node]
        node_entries[node] = entry
    return slots, node_entries[:n_nodes].copy(), next_equal


@compiled
def _insert(slots, key, child):
    """Put a key that is not in the table yet into it."""
    slot = _first_slot(slots, key)
    while slots[2 * slot] != 0:
        slot = (slot + 1) & (slots.size // 2 - 1)
    slots[2 * slot] = key
    slots[2 * slot + 1] = child


@compiled
def _double(slots):
    """A copy of the table with twice the slots."""
    larger = np.zeros(2 * slots.size, np.int64)
    for old in range(0, slots.size, 2):
        if slots[old] != 0:
            _insert(larger, slots[old], slots[old + 1])
    return larger
