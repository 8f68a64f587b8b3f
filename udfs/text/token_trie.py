"""The entries of a concept bank as a trie of tokens, in flat arrays.

MetaCLIP finds an entry where `" entry "` occurs in the spaced and padded caption (Xu et al. 2023,
section 3.1). Both sides split on single spaces: an entry matches exactly when its tokens, the empty
ones included, occur one after the other among the caption's tokens. So each distinct token gets a
number, and the entries become paths of tokens.

What a path leads to is one word: node << 32 | entry + 1, the node 0 where no longer entry goes on,
the entry's part 0 where none ends; SEVERAL is set where more entries have the same text.
"""

from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.machine import PADDING
from udfs.text.vocabulary import (
    LOW_32,
    NODE,
    SHIFT_32,
    SLOT,
    TAG,
    Vocabulary,
    number_tokens,
    slot_shift,
)

Duplicates = Literal["all", "last"]
Text: TypeAlias = tuple[NDArray[np.int64], NDArray[np.uint8]]

SEVERAL = np.uint64(1 << 31)
ENTRY = np.uint64((1 << 31) - 1)
LAST = -1  # of the entries with the same text
_ROOT = np.uint64(1)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SHIFT_29 = np.uint64(29)
_FILTER_BITS = 8  # an edge, at least
# How Arrow has the offsets of text.
_OFFSETS = {
    pa.string(): np.int32,
    pa.binary(): np.int32,
    pa.large_string(): np.int64,
    pa.large_binary(): np.int64,
}


class Edges(NamedTuple):
    """The edges below the first token of an entry, a hash table with a filter before it.

    `slots`: (2 * n_slots,), n_slots a power of two, linear probing: node << 32 | token, 0 where
    free, and what that path leads to. `filter`: a bit for each hash of an edge; nearly all pairs of
    tokens that are no edge end there, in a hundredth of the memory.
    """

    slots: NDArray[np.uint64]
    filter: NDArray[np.uint8]


class TokenTrie(NamedTuple):
    """A trie of tokens; a tuple, so that numba takes it as one argument.

    A token's own word in the vocabulary is what it leads to as the first of an entry. `next_equal`:
    (n_entries,), the next entry with the same text or LAST; empty where all texts differ.
    `longest`: bytes of the longest entry.
    """

    vocabulary: Vocabulary
    edges: Edges
    next_equal: NDArray[np.int32]
    n_entries: int
    longest: int


def build_token_trie(entries: pa.StringArray, *, duplicates: Duplicates = "all") -> TokenTrie:
    """Build the trie of a bank of fewer than 2^31 entries; the id of an entry is its position.

    `duplicates`: of identical entries a match reports "all" ids (MetaCLIP's plain matcher), or
    the "last" one (its automaton).
    """
    offsets, text = padded_text(entries)
    n_all = len(entries) + int(np.count_nonzero(text[: offsets[-1]] == ord(" ")))
    vocabulary, tokens, begins = number_tokens(offsets, text, n_all)
    paths, n_nodes, last_node = _insert(tokens, begins)
    entry_of_node, next_equal = _entries_by_node(last_node, n_nodes, duplicates == "last")
    edges = _finish(paths, entry_of_node, vocabulary)
    longest = int(np.diff(offsets).max(initial=0))
    return TokenTrie(vocabulary, edges, next_equal, len(entries), longest)


def padded_text(strings: pa.Array) -> Text:
    """Offsets, (n + 1,) from 0 on, and UTF-8 bytes, padded for machine.load_word.

    strings: of any of Arrow's types for text or bytes. What a null has below it stays.
    """
    kind = _OFFSETS.get(strings.type)
    if kind is None:
        return padded_text(strings.cast(pa.large_string()))  # dictionaries, views
    _, offset_buffer, text_buffer = strings.buffers()
    if len(strings) == 0 or offset_buffer is None:
        return np.zeros(len(strings) + 1, np.int64), np.zeros(PADDING, np.uint8)
    own = np.frombuffer(offset_buffer, kind)[strings.offset : strings.offset + len(strings) + 1]
    text = np.empty(own[-1] - own[0] + PADDING, np.uint8)
    if text_buffer is not None:
        text[:-PADDING] = np.frombuffer(text_buffer, np.uint8)[own[0] : own[-1]]
    text[-PADDING:] = 0
    return own.astype(np.int64) - own[0], text


@inlined
def edge_hash(node, token):
    """Hash of an edge; its highest bits choose slot and filter bit."""
    key = (node << SHIFT_32) | token
    return (key ^ (key >> _SHIFT_29)) * _FACTOR


@inlined
def may_be_edge(edge_filter, hashed, shift):
    """1 where an edge with this hash may exist, else 0: uint64."""
    bit = hashed >> shift
    return np.uint64(edge_filter[bit >> np.uint64(3)] >> np.uint8(bit & np.uint64(7))) & np.uint64(
        1
    )


@inlined
def edge_slot(slots, slot, key):
    """The slot that holds an edge, searched from `slot` on, or the free one where it belongs."""
    while (slots[2 * slot] != key) & (slots[2 * slot] != 0):
        slot = (slot + 1) & (slots.size // 2 - 1)
    return slot


@compiled
def _insert(tokens, begins):
    """(paths from the root: edge -> node, number of nodes, last node of each entry)."""
    paths = np.zeros(2 * 64, np.uint64)
    last_node = np.empty(begins.size - 1, np.int64)
    n_nodes = np.uint64(2)
    for entry in range(begins.size - 1):
        node = _ROOT
        for k in range(begins[entry], begins[entry + 1]):
            slot = _slot_of(paths, node, np.uint64(tokens[k]))
            if paths[2 * slot] == 0:
                paths[2 * slot] = (node << SHIFT_32) | np.uint64(tokens[k])
                paths[2 * slot + 1] = n_nodes
                node = n_nodes
                n_nodes += np.uint64(1)
                if 2 * n_nodes > paths.size // 2:
                    paths = _rehashed(paths, 2 * paths.size)
            else:
                node = paths[2 * slot + 1]
        last_node[entry] = node
    return paths, np.int64(n_nodes), last_node


@compiled
def _entries_by_node(last_node, n_nodes, only_last):
    """(the entry's part of each node's word, next_equal)."""
    of_node = np.zeros(n_nodes, np.uint64)
    next_equal = np.full(last_node.size, LAST, np.int32)
    newest = np.zeros(n_nodes, np.int64)
    n_equal = 0
    for entry in range(last_node.size):
        node = last_node[entry]
        if of_node[node] == 0 or only_last:
            of_node[node] = entry + 1
        else:
            of_node[node] |= SEVERAL
            next_equal[newest[node]] = entry
            n_equal += 1
        newest[node] = entry
    return of_node, next_equal if n_equal else next_equal[:0].copy()


@compiled
def _finish(paths, entry_of_node, vocabulary):
    """The edges below the first tokens; those tokens' own words go into the vocabulary."""
    goes_on = np.zeros(entry_of_node.size, np.bool_)
    for slot in range(0, paths.size, 2):
        goes_on[paths[slot] >> SHIFT_32] = True  # node 0 by the free slots, which does not exist
    at_root = np.zeros(vocabulary.start.size, np.uint64)
    n_edges = 0
    for slot in range(0, paths.size, 2):
        key, node = paths[slot], paths[slot + 1]
        paths[slot + 1] = entry_of_node[node] | (
            node << SHIFT_32 if goes_on[node] else np.uint64(0)
        )
        if key >> SHIFT_32 == _ROOT:
            at_root[key & LOW_32] = paths[slot + 1]
            paths[slot] = 0
        elif key != 0:
            n_edges += 1
    for slot in range(0, vocabulary.slots.size, SLOT):
        vocabulary.slots[slot + NODE] = at_root[vocabulary.slots[slot + TAG] & LOW_32]
    size = 64
    while 3 * size < 4 * n_edges:
        size *= 2
    slots = _rehashed(paths, 2 * size)
    edge_filter = np.zeros(size, np.uint8)
    shift = slot_shift(size * _FILTER_BITS)
    for slot in range(0, slots.size, 2):
        if slots[slot] != 0:
            bit = edge_hash(slots[slot] >> SHIFT_32, slots[slot] & LOW_32) >> shift
            edge_filter[bit >> np.uint64(3)] |= np.uint8(1) << np.uint8(bit & np.uint64(7))
    return Edges(slots, edge_filter)


@inlined
def _slot_of(slots, node, token):
    """`edge_slot` of a node's edge, from the slot to try first."""
    slot = np.int64(edge_hash(node, token) >> slot_shift(slots.size // 2))
    return edge_slot(slots, slot, (node << SHIFT_32) | token)


@compiled
def _rehashed(slots, size):
    other = np.zeros(size, np.uint64)
    for old in range(0, slots.size, 2):
        if slots[old] != 0:
            slot = _slot_of(other, slots[old] >> SHIFT_32, slots[old] & LOW_32)
            other[2 * slot] = slots[old]
            other[2 * slot + 1] = slots[old + 1]
    return other
