"""MetaCLIP's matcher on Arrow batches: captions in, ascending entry ids out."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled
from udfs.text.token_trie import (
    FREE,
    HASH_START,
    TokenTrie,
    find_edge,
    find_token,
    string_buffers,
    token_hash_step,
)

# What a byte of a caption is to MetaCLIP's spacing. All marks are ASCII, so UTF-8 bytes will do.
PART, BREAK, MARK = 0, 1, 2
BREAKS = " \t\n\r"  # each becomes one space
MARKS = ",.;:?!`"  # each gets a space on both sides, so is a token of its own

_INSERTION_SORT_UP_TO = 32


def _byte_classes() -> NDArray[np.uint8]:
    classes = np.full(256, PART, np.uint8)
    classes[[ord(c) for c in BREAKS]] = BREAK
    classes[[ord(c) for c in MARKS]] = MARK
    return classes


BYTE_CLASS = _byte_classes()


def match_captions(captions: pa.Array, trie: TokenTrie) -> pa.ListArray:
    """Ids of the entries that occur in each caption, ascending and unique.

    captions: string or large_string, (n,). A null caption matches nothing.
    """
    offsets, text = string_buffers(captions)
    is_valid = captions.is_valid().to_numpy(zero_copy_only=False)
    starts, entry_ids = _match(offsets, text, is_valid, BYTE_CLASS, trie)
    return pa.ListArray.from_arrays(pa.array(starts), pa.array(entry_ids))


@compiled
def _match(offsets, data, is_valid, byte_class, trie):
    """(list offsets (n + 1,), ids) of n captions."""
    n_rows = offsets.size - 1
    starts = np.zeros(n_rows + 1, np.int32)
    found = np.empty(max(64, 8 * n_rows), np.int32)
    tokens = np.empty(64, np.int32)
    n_found = 0
    for row in range(n_rows):
        start, end = np.int64(offsets[row]), np.int64(offsets[row + 1])
        most_tokens = 2 * (end - start) + 1
        if tokens.size < most_tokens:
            tokens = np.empty(2 * most_tokens, np.int32)
        if is_valid[row]:
            n_tokens = _cut(data, start, end, byte_class, trie.vocabulary, tokens)
            first = n_found
            found, n_found = _walk(tokens[:n_tokens], trie, found, n_found)
            n_found = first + _sort_unique(found[first:n_found])
        starts[row + 1] = n_found
    return starts, found[:n_found].copy()


@compiled
def _cut(data, start, end, byte_class, vocabulary, tokens):
    """Write the ids of a caption's tokens, FREE for one that no entry has; give their number."""
    n_tokens = 0
    hashed = HASH_START
    for at in range(start, end + 1):
        kind = byte_class[data[at]] if at < end else BREAK
        if kind == PART:
            hashed = token_hash_step(hashed, data[at])
            continue
        tokens[n_tokens], _ = find_token(data, start, at - start, hashed, vocabulary)
        n_tokens += 1
        if kind == MARK:
            of_mark = token_hash_step(HASH_START, data[at])
            tokens[n_tokens], _ = find_token(data, at, 1, of_mark, vocabulary)
            n_tokens += 1
        start = at + 1
        hashed = HASH_START
    return n_tokens


@compiled
def _walk(tokens, trie, found, n_found):
    """Append the entries that begin at each token; `found` grows where it is full."""
    for first in range(tokens.size):
        if tokens[first] == FREE:
            continue
        node = trie.first_node[tokens[first]]
        after = first + 1
        while node != FREE:
            for k in range(trie.node_start[node], trie.node_start[node + 1]):
                if n_found == found.size:
                    grown = np.empty(2 * found.size, np.int32)
                    grown[:n_found] = found
                    found = grown
                found[n_found] = trie.entry_ids[k]
                n_found += 1
            if after == tokens.size or tokens[after] == FREE:
                break
            node, _ = find_edge(node, tokens[after], trie.edges)
            after += 1
    return found, n_found


@compiled
def _sort_unique(ids):
    """Sort in place, move the distinct ids to the front, and give their number."""
    if ids.size > _INSERTION_SORT_UP_TO:
        ids.sort()
    else:
        for i in range(1, ids.size):
            value = ids[i]
            k = i - 1
            while k >= 0 and ids[k] > value:
                ids[k + 1] = ids[k]
                k -= 1
            ids[k + 1] = value
    n_unique = 0
    for i in range(ids.size):
        if i == 0 or ids[i] != ids[i - 1]:
            ids[n_unique] = ids[i]
            n_unique += 1
    return n_unique
