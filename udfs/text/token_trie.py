"""The entries of a concept bank as a trie of tokens, in flat arrays.

MetaCLIP finds an entry where `" entry "` occurs in the spaced and padded caption (Xu et al. 2023,
section 3.1). Both sides split on single spaces: an entry matches exactly when its tokens, the empty
ones included, occur one after the other among the caption's tokens. So each distinct token gets an
id, and the entries become paths of token ids.
"""

from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled

Duplicates = Literal["all", "last"]
Offsets: TypeAlias = NDArray[np.int32] | NDArray[np.int64]

ROOT = 1  # node 0 does not exist, so that no edge has the key 0 of a free slot
FREE = -1
HASH_START = np.uint64(0xCBF29CE484222325)
_HASH_FACTOR = np.uint64(0x100000001B3)
_MIX_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SHIFT_32 = np.uint64(32)
_SHIFT_29 = np.uint64(29)


class Vocabulary(NamedTuple):
    """The distinct tokens: an open hash table, at most half full, its size a power of two.

    A token's bytes are `text[start[i] : start[i] + length[i]]`.
    """

    text: NDArray[np.uint8]
    start: NDArray[np.int64]
    length: NDArray[np.int32]
    slots: NDArray[np.int32]  # token id or FREE
    slot_hash: NDArray[np.uint64]


class Edges(NamedTuple):
    """The edges between nodes, likewise a hash table: node << 32 | token -> child node."""

    keys: NDArray[np.uint64]  # 0 is free
    nodes: NDArray[np.int32]


class TokenTrie(NamedTuple):
    """A trie of token ids; a tuple, so that numba takes it as one argument.

    A node's entries are `entry_ids[node_start[n] : node_start[n + 1]]`, ascending.
    """

    vocabulary: Vocabulary
    first_node: NDArray[np.int32]  # node of each token below the root, FREE where there is none
    edges: Edges
    node_start: NDArray[np.int32]
    entry_ids: NDArray[np.int32]


def build_token_trie(entries: pa.StringArray, *, duplicates: Duplicates = "all") -> TokenTrie:
    """Build the trie of a bank; the id of an entry is its position.

    `duplicates`: of identical entries a match reports "all" ids (MetaCLIP's plain matcher), or
    the "last" one (its automaton).
    """
    offsets, text = string_buffers(entries)
    most_tokens = len(entries) + int(np.count_nonzero(text == ord(" ")))
    vocabulary, edges, last_node = _insert_entries(offsets, text, most_tokens)
    node_start, entry_ids = _entries_by_node(last_node, duplicates)
    return TokenTrie(vocabulary, _first_nodes(vocabulary, edges), edges, node_start, entry_ids)


def string_buffers(strings: pa.Array) -> tuple[Offsets, NDArray[np.uint8]]:
    """Offsets, shape (n + 1,), and UTF-8 bytes of an Arrow string array, without a copy."""
    _, offset_buffer, text_buffer = strings.buffers()
    if offset_buffer is None or len(strings) == 0:
        return np.zeros(len(strings) + 1, np.int32), np.zeros(0, np.uint8)
    offsets: Offsets = np.frombuffer(offset_buffer, np.int32)
    if pa.types.is_large_string(strings.type):
        offsets = np.frombuffer(offset_buffer, np.int64)
    text = np.zeros(0, np.uint8) if text_buffer is None else np.frombuffer(text_buffer, np.uint8)
    return offsets[strings.offset : strings.offset + len(strings) + 1], text


def _entries_by_node(
    last_node: NDArray[np.int32], duplicates: Duplicates
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Starts and ids of the entries that end at each node; last_node: (n_entries,)."""
    order = np.argsort(last_node, kind="stable").astype(np.int32)
    if duplicates == "last" and order.size:
        is_last = np.append(last_node[order][1:] != last_node[order][:-1], True)
        order = order[is_last]
    n_nodes = int(last_node.max(initial=ROOT)) + 1
    counts = np.bincount(last_node[order], minlength=n_nodes + 1)
    starts = np.zeros(n_nodes + 2, np.int32)
    np.cumsum(counts, out=starts[1:])
    return starts, order


def _first_nodes(vocabulary: Vocabulary, edges: Edges) -> NDArray[np.int32]:
    first = np.full(vocabulary.start.size, FREE, np.int32)
    at_root = (edges.keys >> _SHIFT_32) == ROOT
    tokens = (edges.keys[at_root] & np.uint64(0xFFFFFFFF)).astype(np.int64)
    first[tokens] = edges.nodes[at_root]
    return first


@compiled
def token_hash_step(hashed, byte):
    """FNV-1a over one more byte."""
    return (hashed ^ np.uint64(byte)) * _HASH_FACTOR


@compiled
def hash_slot(hashed, size):
    """First slot to try for a hash in a table of `size` slots."""
    mixed = hashed * _MIX_FACTOR
    return np.int64((mixed ^ (mixed >> _SHIFT_29)) & np.uint64(size - 1))


@compiled
def find_token(data, start, length, hashed, vocabulary):
    """(token id or FREE, slot) of the token data[start : start + length]."""
    slots = vocabulary.slots
    slot = hash_slot(hashed, slots.size)
    while slots[slot] != FREE:
        if vocabulary.slot_hash[slot] == hashed:
            token = slots[slot]
            if vocabulary.length[token] == length:
                known = vocabulary.start[token]
                same = True
                for k in range(length):
                    if vocabulary.text[known + k] != data[start + k]:
                        same = False
                        break
                if same:
                    return token, slot
        slot = (slot + 1) & (slots.size - 1)
    return np.int32(FREE), slot


@compiled
def find_edge(node, token, edges):
    """(child node or FREE, slot) of a node's edge."""
    key = (np.uint64(node) << _SHIFT_32) | np.uint64(token)
    slot = hash_slot(key, edges.keys.size)
    while edges.keys[slot] != 0:
        if edges.keys[slot] == key:
            return edges.nodes[slot], slot
        slot = (slot + 1) & (edges.keys.size - 1)
    return np.int32(FREE), slot


@compiled
def _insert_entries(offsets, text, most_tokens):
    """(Vocabulary, Edges, last node of each entry); tables shrunk to what they hold."""
    size = _table_size(most_tokens)
    vocabulary = Vocabulary(
        text,
        np.empty(most_tokens, np.int64),
        np.empty(most_tokens, np.int32),
        np.full(size, FREE, np.int32),
        np.zeros(size, np.uint64),
    )
    edges = Edges(np.zeros(size, np.uint64), np.full(size, FREE, np.int32))
    last_node = np.empty(offsets.size - 1, np.int32)
    n_tokens = 0
    n_nodes = ROOT + 1
    for entry in range(offsets.size - 1):
        node = np.int32(ROOT)
        start = np.int64(offsets[entry])
        end = np.int64(offsets[entry + 1])
        hashed = HASH_START
        for at in range(start, end + 1):
            if at < end and text[at] != 32:
                hashed = token_hash_step(hashed, text[at])
                continue
            token, slot = find_token(text, start, at - start, hashed, vocabulary)
            if token == FREE:
                token = np.int32(n_tokens)
                vocabulary.start[token] = start
                vocabulary.length[token] = at - start
                vocabulary.slots[slot] = token
                vocabulary.slot_hash[slot] = hashed
                n_tokens += 1
            child, slot = find_edge(node, token, edges)
            if child == FREE:
                child = np.int32(n_nodes)
                edges.keys[slot] = (np.uint64(node) << _SHIFT_32) | np.uint64(token)
                edges.nodes[slot] = child
                n_nodes += 1
            node = child
            start = np.int64(at + 1)
            hashed = HASH_START
        last_node[entry] = node
    return _shrunk_vocabulary(vocabulary, n_tokens), _shrunk_edges(edges, n_nodes), last_node


@compiled
def _table_size(n_keys):
    size = 16
    while size < 2 * n_keys:
        size *= 2
    return size


@compiled
def _shrunk_vocabulary(vocabulary, n_tokens):
    size = _table_size(n_tokens)
    slots = np.full(size, FREE, np.int32)
    slot_hash = np.zeros(size, np.uint64)
    for old in range(vocabulary.slots.size):
        if vocabulary.slots[old] != FREE:
            slot = hash_slot(vocabulary.slot_hash[old], size)
            while slots[slot] != FREE:
                slot = (slot + 1) & (size - 1)
            slots[slot] = vocabulary.slots[old]
            slot_hash[slot] = vocabulary.slot_hash[old]
    start, length = vocabulary.start[:n_tokens].copy(), vocabulary.length[:n_tokens].copy()
    return Vocabulary(vocabulary.text, start, length, slots, slot_hash)


@compiled
def _shrunk_edges(edges, n_nodes):
    size = _table_size(n_nodes)
    shrunk = Edges(np.zeros(size, np.uint64), np.full(size, FREE, np.int32))
    for old in range(edges.keys.size):
        if edges.keys[old] != 0:
            slot = hash_slot(edges.keys[old], size)
            while shrunk.keys[slot] != 0:
                slot = (slot + 1) & (size - 1)
            shrunk.keys[slot] = edges.keys[old]
            shrunk.nodes[slot] = edges.nodes[old]
    return shrunk
