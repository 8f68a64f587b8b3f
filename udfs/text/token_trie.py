"""The entries of a concept bank as a trie of tokens, in flat arrays.

MetaCLIP finds an entry where `" entry "` occurs in the spaced and padded caption (Xu et al. 2023,
section 3.1). Both sides split on single spaces: an entry matches exactly when its tokens, the empty
ones included, occur one after the other among the caption's tokens. So each distinct token gets an
id, and the entries become paths of token ids.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

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


@dataclass(frozen=True)
class TokenTrie:
    """Flat arrays of a trie; sizes of tables are powers of two, at most half full.

    A token's bytes are `text[token_start[i] : token_start[i] + token_length[i]]`. A node's entries
    are `entry_ids[node_start[n] : node_start[n + 1]]`, ascending.
    """

    n_entries: int
    text: NDArray[np.uint8]
    token_start: NDArray[np.int64]
    token_length: NDArray[np.int32]
    token_slots: NDArray[np.int32]  # token id or FREE, at the slot of its hash
    slot_hash: NDArray[np.uint64]
    first_node: NDArray[np.int32]  # node of each token below the root, FREE where there is none
    edge_keys: NDArray[np.uint64]  # node << 32 | token; 0 is free
    edge_nodes: NDArray[np.int32]
    node_start: NDArray[np.int32]
    entry_ids: NDArray[np.int32]


def build_token_trie(entries: pa.StringArray, *, duplicates: Duplicates = "all") -> TokenTrie:
    """Build the trie of a bank; the id of an entry is its position.

    `duplicates`: of identical entries a match reports "all" ids (MetaCLIP's plain matcher), or
    the "last" one (its automaton).
    """
    offsets, text = string_buffers(entries)
    n_tokens = len(entries) + int(np.count_nonzero(text == ord(" ")))
    size = _table_size(n_tokens)
    trie = _insert_entries(offsets, text, n_tokens, size)
    token_start, token_length, token_slots, slot_hash, edge_keys, edge_nodes, last_node = trie
    node_start, entry_ids = _entries_by_node(last_node, duplicates)
    first_node = _first_nodes(len(token_start), edge_keys, edge_nodes)
    return TokenTrie(
        len(entries),
        text,
        token_start,
        token_length,
        token_slots,
        slot_hash,
        first_node,
        edge_keys,
        edge_nodes,
        node_start,
        entry_ids,
    )


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


def _table_size(n_keys: int) -> int:
    return 1 << max(4, (2 * n_keys).bit_length())


def _entries_by_node(
    last_node: NDArray[np.int32], duplicates: Duplicates
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Starts and ids of the entries that end at each node; last_node: (n_entries,)."""
    order = np.argsort(last_node, kind="stable").astype(np.int32)
    if duplicates == "last" and order.size:
        ends = np.append(last_node[order][1:] != last_node[order][:-1], True)
        order = order[ends]
    n_nodes = int(last_node.max(initial=ROOT)) + 1
    counts = np.bincount(last_node[order], minlength=n_nodes + 1)
    starts = np.zeros(n_nodes + 2, np.int32)
    np.cumsum(counts, out=starts[1:])
    return starts, order


def _first_nodes(
    n_tokens: int, edge_keys: NDArray[np.uint64], edge_nodes: NDArray[np.int32]
) -> NDArray[np.int32]:
    first = np.full(n_tokens, FREE, np.int32)
    at_root = (edge_keys >> _SHIFT_32) == ROOT
    first[(edge_keys[at_root] & np.uint64(0xFFFFFFFF)).astype(np.int64)] = edge_nodes[at_root]
    return first


@compiled
def token_hash_step(hashed, byte):
    """FNV-1a over one more byte."""
    return (hashed ^ np.uint64(byte)) * _HASH_FACTOR


@compiled
def hash_slot(hashed, mask):
    """First slot to try for a hash."""
    mixed = hashed * _MIX_FACTOR
    return np.int64((mixed ^ (mixed >> _SHIFT_29)) & mask)


@compiled
def find_token(
    data, start, length, hashed, text, token_start, token_length, token_slots, slot_hash
):
    """(token id or FREE, slot) of the token data[start : start + length]."""
    mask = np.uint64(token_slots.size - 1)
    slot = hash_slot(hashed, mask)
    while token_slots[slot] != FREE:
        if slot_hash[slot] == hashed:
            token = token_slots[slot]
            if token_length[token] == length:
                known = token_start[token]
                same = True
                for k in range(length):
                    if text[known + k] != data[start + k]:
                        same = False
                        break
                if same:
                    return token, slot
        slot = (slot + 1) & (token_slots.size - 1)
    return np.int32(FREE), slot


@compiled
def find_edge(node, token, edge_keys, edge_nodes):
    """(child node or FREE, slot) of a node's edge."""
    key = (np.uint64(node) << _SHIFT_32) | np.uint64(token)
    mask = np.uint64(edge_keys.size - 1)
    slot = hash_slot(key, mask)
    while edge_keys[slot] != 0:
        if edge_keys[slot] == key:
            return edge_nodes[slot], slot
        slot = (slot + 1) & (edge_keys.size - 1)
    return np.int32(FREE), slot


@compiled
def _insert_entries(offsets, text, max_tokens, table_size):
    token_start = np.empty(max_tokens, np.int64)
    token_length = np.empty(max_tokens, np.int32)
    token_slots = np.full(table_size, FREE, np.int32)
    slot_hash = np.zeros(table_size, np.uint64)
    edge_keys = np.zeros(table_size, np.uint64)
    edge_nodes = np.full(table_size, FREE, np.int32)
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
            token, slot = find_token(
                text,
                start,
                at - start,
                hashed,
                text,
                token_start,
                token_length,
                token_slots,
                slot_hash,
            )
            if token == FREE:
                token = np.int32(n_tokens)
                token_start[token] = start
                token_length[token] = at - start
                token_slots[slot] = token
                slot_hash[slot] = hashed
                n_tokens += 1
            child, slot = find_edge(node, token, edge_keys, edge_nodes)
            if child == FREE:
                child = np.int32(n_nodes)
                edge_keys[slot] = (np.uint64(node) << _SHIFT_32) | np.uint64(token)
                edge_nodes[slot] = child
                n_nodes += 1
            node = child
            start = np.int64(at + 1)
            hashed = HASH_START
        last_node[entry] = node
    return (
        token_start[:n_tokens].copy(),
        token_length[:n_tokens].copy(),
        token_slots,
        slot_hash,
        edge_keys,
        edge_nodes,
        last_node,
    )
