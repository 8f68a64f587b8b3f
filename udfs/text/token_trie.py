"""The entries of a concept bank as a trie of tokens, in flat arrays.

MetaCLIP finds an entry where `" entry "` occurs in the spaced and padded caption (Xu et al. 2023,
section 3.1). Both sides split on single spaces: an entry matches exactly when its tokens, the empty
ones included, occur one after the other among the caption's tokens. So each distinct token gets a
number (`vocabulary.py`), and entries become paths of token numbers from the root of a trie.

The trie has no node objects. A path's target is one uint64, node << 32 | (entry id + 1): the node
the path leads to, 0 if no longer entry continues there, and the entry that ends there, 0 if none
does; HAS_EQUALS is set if several entries have that text. Targets of first tokens stand in the
vocabulary's slots, so that the look-up of a token gives the first step for free; all longer paths
are edges (node, token) -> target in one hash table.
"""

from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.machine import PADDING
from udfs.text.vocabulary import (
    LOW_32,
    SHIFT_32,
    SLOT,
    TAG,
    TARGET,
    Vocabulary,
    build_vocabulary,
    slot_shift,
)

Duplicates = Literal["all", "last"]
PaddedText: TypeAlias = tuple[NDArray[np.int64], NDArray[np.uint8]]  # offsets, UTF-8 bytes

# Parts of a target's lower half.
HAS_EQUALS = np.uint64(1 << 31)
ENTRY_MASK = np.uint64((1 << 31) - 1)
NO_ENTRY = -1  # ends a chain of entries with the same text
_ROOT = np.uint64(1)
_HASH_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SHIFT_29 = np.uint64(29)
_FILTER_BITS_PER_SLOT = 8
_OFFSET_TYPES = {
    pa.string(): np.int32,
    pa.binary(): np.int32,
    pa.large_string(): np.int64,
    pa.large_binary(): np.int64,
}


class Edges(NamedTuple):
    """The edges of all nodes but the root: a hash table with a filter in front of it.

    `slots`: (2 * n_slots,), n_slots a power of two, linear probing; slot k has the key
    node << 32 | token at 2k, 0 if free, and the target at 2k + 1. `filter`: (n_slots,) bytes as
    8 * n_slots bits, of which the one chosen by an edge's hash is set (a Bloom filter with one
    hash): nearly all pairs of tokens that are no edge end there, in a sixteenth of the memory.
    """

    slots: NDArray[np.uint64]
    filter: NDArray[np.uint8]


class TokenTrie(NamedTuple):
    """A trie of tokens; a tuple, so that numba takes it as one argument.

    `vocabulary`: a token's TARGET is that of the path of this token alone. `next_equal`:
    (n_entries,), the next entry with the same text or NO_ENTRY; empty if all texts differ.
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
    n_entry_tokens = len(entries) + int(np.count_nonzero(text[: offsets[-1]] == ord(" ")))
    vocabulary, tokens, token_offsets = build_vocabulary(offsets, text, n_entry_tokens)
    paths, n_nodes, last_nodes = _insert_entries(tokens, token_offsets)
    node_entries, next_equal = _entries_by_node(last_nodes, n_nodes, duplicates == "last")
    edges = _build_edges(paths, node_entries, vocabulary)
    longest = int(np.diff(offsets).max(initial=0))
    return TokenTrie(vocabulary, edges, next_equal, len(entries), longest)


def padded_text(strings: pa.Array) -> PaddedText:
    """Offsets from 0 on, (n + 1,), and UTF-8 bytes, padded by machine.PADDING for load_word.

    strings: of any of Arrow's types for text or bytes. Bytes below a null are kept.
    """
    offset_type = _OFFSET_TYPES.get(strings.type)
    if offset_type is None:
        return padded_text(strings.cast(pa.large_string()))  # dictionaries, views
    _, offset_buffer, text_buffer = strings.buffers()
    if len(strings) == 0 or offset_buffer is None:
        return np.zeros(len(strings) + 1, np.int64), np.zeros(PADDING, np.uint8)
    # A slice shares its parent's buffers.
    all_offsets = np.frombuffer(offset_buffer, offset_type)
    offsets = all_offsets[strings.offset : strings.offset + len(strings) + 1]
    text = np.empty(offsets[-1] - offsets[0] + PADDING, np.uint8)
    if text_buffer is not None:
        text[:-PADDING] = np.frombuffer(text_buffer, np.uint8)[offsets[0] : offsets[-1]]
    text[-PADDING:] = 0
    return offsets.astype(np.int64) - offsets[0], text


@inlined
def edge_hash(node, token):
    """Hash of an edge; its highest bits choose slot and filter bit."""
    key = (node << SHIFT_32) | token
    return (key ^ (key >> _SHIFT_29)) * _HASH_FACTOR


@inlined
def may_be_edge(edge_filter, hashed, shift):
    """1 if an edge with this hash may exist, 0 if none does, as uint64."""
    bit = hashed >> shift
    return np.uint64(edge_filter[bit >> np.uint64(3)] >> np.uint8(bit & np.uint64(7))) & np.uint64(
        1
    )


@inlined
def edge_slot(slots, slot, key):
    """The slot with an edge's key, probed from `slot` on, or the free slot that ends the probe.

    A free slot's target is 0: no node, no entry.
    """
    while (slots[2 * slot] != key) & (slots[2 * slot] != 0):
        slot = (slot + 1) & (slots.size // 2 - 1)
    return slot


@compiled
def _insert_entries(tokens, token_offsets):
    """Number the trie's nodes: (edges as a hash table key -> node, number of nodes, last nodes).

    tokens, token_offsets: those of `build_vocabulary`. Nodes are numbered from the root's 1; last
    nodes: (n_entries,), where each entry ends.
    """
    paths = np.zeros(2 * 64, np.uint64)
    last_nodes = np.empty(token_offsets.size - 1, np.int64)
    n_nodes = np.uint64(2)
    for entry in range(token_offsets.size - 1):
        node = _ROOT
        for k in range(token_offsets[entry], token_offsets[entry + 1]):
            slot = _find_edge(paths, node, np.uint64(tokens[k]))
            if paths[2 * slot] == 0:
                paths[2 * slot] = (node << SHIFT_32) | np.uint64(tokens[k])
                paths[2 * slot + 1] = n_nodes
                node = n_nodes
                n_nodes += np.uint64(1)
                if 2 * n_nodes > paths.size // 2:
                    paths = _rehash(paths, 2 * paths.size)
            else:
                node = paths[2 * slot + 1]
        last_nodes[entry] = node
    return paths, np.int64(n_nodes), last_nodes


@compiled
def _entries_by_node(last_nodes, n_nodes, only_last):
    """(the lower half of each node's target (n_nodes,), next_equal)."""
    node_entries = np.zeros(n_nodes, np.uint64)
    next_equal = np.full(last_nodes.size, NO_ENTRY, np.int32)
    newest_entry = np.zeros(n_nodes, np.int64)
    n_equal = 0
    for entry in range(last_nodes.size):
        node = last_nodes[entry]
        if node_entries[node] == 0 or only_last:
            node_entries[node] = entry + 1
        else:
            node_entries[node] |= HAS_EQUALS
            next_equal[newest_entry[node]] = entry
            n_equal += 1
        newest_entry[node] = entry
    return node_entries, next_equal if n_equal else next_equal[:0].copy()


@compiled
def _build_edges(paths, node_entries, vocabulary):
    """Split the paths into Edges and the targets of first tokens, written into the vocabulary."""
    has_edges = np.zeros(node_entries.size, np.bool_)
    for slot in range(0, paths.size, 2):
        has_edges[paths[slot] >> SHIFT_32] = True  # free slots set it for node 0, which is none
    root_targets = np.zeros(vocabulary.start.size, np.uint64)
    n_edges = 0
    for slot in range(0, paths.size, 2):
        key, node = paths[slot], paths[slot + 1]
        paths[slot + 1] = node_entries[node] | (
            node << SHIFT_32 if has_edges[node] else np.uint64(0)
        )
        if key >> SHIFT_32 == _ROOT:
            root_targets[key & LOW_32] = paths[slot + 1]
            paths[slot] = 0
        elif key != 0:
            n_edges += 1
    for slot in range(0, vocabulary.slots.size, SLOT):
        vocabulary.slots[slot + TARGET] = root_targets[vocabulary.slots[slot + TAG] & LOW_32]
    n_slots = 64
    while 3 * n_slots < 4 * n_edges:
        n_slots *= 2
    slots = _rehash(paths, 2 * n_slots)
    edge_filter = np.zeros(n_slots, np.uint8)
    shift = slot_shift(n_slots * _FILTER_BITS_PER_SLOT)
    for slot in range(0, slots.size, 2):
        if slots[slot] != 0:
            bit = edge_hash(slots[slot] >> SHIFT_32, slots[slot] & LOW_32) >> shift
            edge_filter[bit >> np.uint64(3)] |= np.uint8(1) << np.uint8(bit & np.uint64(7))
    return Edges(slots, edge_filter)


@inlined
def _find_edge(slots, node, token):
    """`edge_slot` of an edge, probed from the slot that its hash chooses."""
    slot = np.int64(edge_hash(node, token) >> slot_shift(slots.size // 2))
    return edge_slot(slots, slot, (node << SHIFT_32) | token)


@compiled
def _rehash(slots, size):
    """The edges in a new array of `size` words."""
    rehashed = np.zeros(size, np.uint64)
    for old in range(0, slots.size, 2):
        if slots[old] != 0:
            slot = _find_edge(rehashed, slots[old] >> SHIFT_32, slots[old] & LOW_32)
            rehashed[2 * slot] = slots[old]
            rehashed[2 * slot + 1] = slots[old + 1]
    return rehashed
