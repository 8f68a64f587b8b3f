"""Finding the entries of a trie among the tokens of captions, a block of captions at a time.

The tables of a large bank lie far outside the first caches, so that a look-up costs its wait, not
its work. Each step therefore runs over all tokens of the block and asks for the memory of the next
step ahead of its use.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.machine import lowest_bit, prefetch
from udfs.text.token_trie import (
    ENTRY,
    LAST,
    SEVERAL,
    edge_hash,
    edge_slot,
    may_be_edge,
)
from udfs.text.vocabulary import (
    LOW_32,
    NODE,
    SHIFT_32,
    SLOT,
    TAG,
    find_slot,
    first_slot,
    slot_shift,
    token_words,
)

NOT_A_TOKEN = -1  # the length of what ends a caption: the vocabulary cannot hold it
_GAPS = (301, 132, 57, 23, 10, 4, 1)  # of Shell's sort (Ciura 2001)
_SHELL_SORT_UP_TO = 32
_IDS_PER_WORD = 1 / 16  # from here on marking ids in a bit set is faster than sorting them


class Block(NamedTuple):
    """The tokens of a block of captions, (capacity,), and what is known of each.

    Each caption's tokens end with one of length NOT_A_TOKEN.
    """

    start: NDArray[np.int64]
    length: NDArray[np.int32]
    first: NDArray[np.uint64]  # words of its slot
    second: NDArray[np.uint64]
    slot: NDArray[np.int32]
    token: NDArray[np.uint32]  # 0 where no entry has it
    leads_to: NDArray[np.uint64]  # as the first token of an entry
    edge_slot: NDArray[np.int32]  # where to look for the edge from the token before, + 1, or 0


@compiled
def new_block(capacity):
    """A block for up to `capacity` tokens."""
    return Block(
        np.empty(capacity, np.int64),
        np.empty(capacity, np.int32),
        np.empty(capacity, np.uint64),
        np.empty(capacity, np.uint64),
        np.empty(capacity, np.int32),
        np.empty(capacity, np.uint32),
        np.empty(capacity, np.uint64),
        np.empty(capacity, np.int32),
    )


@inlined
def look_up(data, n_tokens, block, trie):
    """Fill in a block of which start and length are known."""
    vocabulary, edges = trie.vocabulary, trie.edges
    slots, edge_slots, edge_filter = vocabulary.slots, edges.slots, edges.filter
    starts, lengths, firsts, seconds, token_slots, tokens, leads_to, pair_slots = block
    shift = slot_shift(slots.size // SLOT)
    for k in range(n_tokens):
        length = np.int64(lengths[k])
        first, second = token_words(data, starts[k], length)
        slot = first_slot(first, second, length, shift)
        firsts[k] = first
        seconds[k] = second
        token_slots[k] = slot
        prefetch(slots, SLOT * slot)
    edge_shift = slot_shift(edge_slots.size // 2)
    filter_shift = slot_shift(edge_filter.size * 8)
    node = np.uint64(0)
    for k in range(n_tokens):
        slot, known = find_slot(
            vocabulary,
            np.int64(token_slots[k]),
            firsts[k],
            seconds[k],
            np.int64(lengths[k]),
            data,
            starts[k],
        )
        if_known = np.uint64(0) - np.uint64(known)
        token = slots[SLOT * slot + TAG] & LOW_32 & if_known
        hashed = edge_hash(node, token)
        is_pair = np.uint64(node != 0) & np.uint64(token != 0)
        is_pair &= may_be_edge(edge_filter, hashed, filter_shift)
        edge = np.int64((hashed >> edge_shift) + np.uint64(1)) & -np.int64(is_pair)
        prefetch(edge_slots, 2 * edge)
        pair_slots[k] = edge
        tokens[k] = token
        leads_to[k] = slots[SLOT * slot + NODE] & if_known
        node = leads_to[k] >> SHIFT_32


@inlined
def collect(rows, row_tokens, block, trie, found, n_found, list_ends, marked):
    """Write the ids of each caption in `rows` (from, to), ascending and unique, to `found`.

    `row_tokens`: where each caption's tokens begin in the block. `list_ends`: gets the end of each
    list. `marked`: zeros, a bit for each entry. Gives (row reached, ids found); it stops before a
    row for which `found` has no room.
    """
    first_row, end_row = rows
    for row in range(first_row, end_row):
        begin, end = row_tokens[row - first_row], row_tokens[row - first_row + 1] - 1
        if n_found + end - begin > found.size:
            return row, n_found
        at = n_found
        for k in range(begin, end):
            entry = block.leads_to[k] & ENTRY
            found[at] = np.int64(entry) - 1
            at += np.int64(entry != 0)
            if block.leads_to[k] & SEVERAL:
                at = _append_equal(trie.next_equal, found, at)
                if at < 0 or at + end - k > found.size:
                    return row, n_found
        for k in range(begin + 1, end):
            if block.edge_slot[k] != 0:
                at = _walk(k, block, trie, found, at)
                if at < 0:
                    return row, n_found
        n_found += _sort_unique(found[n_found:at], marked)
        list_ends[row] = n_found
    return end_row, n_found


@inlined
def _walk(k, block, trie, found, at):
    """Append the entries that begin at token k - 1 and go on; -1 where there is no room."""
    slots, edge_filter = trie.edges
    slot = np.int64(block.edge_slot[k]) - 1
    node = block.leads_to[k - 1] >> SHIFT_32
    edge_shift = slot_shift(slots.size // 2)
    filter_shift = slot_shift(edge_filter.size * 8)
    while True:
        key = (node << SHIFT_32) | np.uint64(block.token[k])
        leads_to = slots[2 * edge_slot(slots, slot, key) + 1]  # 0 where there is no such edge
        if at == found.size:
            return -1
        entry = leads_to & ENTRY
        found[at] = np.int64(entry) - 1
        at += np.int64(entry != 0)
        if leads_to & SEVERAL:
            at = _append_equal(trie.next_equal, found, at)
            if at < 0:
                return -1
        node = leads_to >> SHIFT_32
        k += 1
        token = np.uint64(block.token[k])  # 0 behind the caption's last
        if node == 0 or token == 0:
            return at
        hashed = edge_hash(node, token)
        if not may_be_edge(edge_filter, hashed, filter_shift):
            return at
        slot = np.int64(hashed >> edge_shift)


@inlined
def _append_equal(next_equal, found, at):
    """Append the entries with the same text as the last one found; -1 where there is no room."""
    entry = next_equal[found[at - 1]]
    while entry != LAST:
        if at == found.size:
            return -1
        found[at] = entry
        at += 1
        entry = next_equal[entry]
    return at


@inlined
def _sort_unique(ids, marked):
    """Sort in place, move the distinct ids to the front, and give their number."""
    if ids.size > max(_SHELL_SORT_UP_TO, marked.size * _IDS_PER_WORD):
        return _sort_by_marking(ids, marked)
    for gap in _GAPS:
        if gap > 1 and 3 * gap > ids.size:
            continue
        for i in range(gap, ids.size):
            value = ids[i]
            k = i - gap
            while k >= 0 and ids[k] > value:
                ids[k + gap] = ids[k]
                k -= gap
            ids[k + gap] = value
    n_unique = 0
    for i in range(ids.size):
        if i == 0 or ids[i] != ids[i - 1]:
            ids[n_unique] = ids[i]
            n_unique += 1
    return n_unique


@inlined
def _sort_by_marking(ids, marked):
    for i in range(ids.size):
        marked[ids[i] >> 6] |= np.uint64(1) << np.uint64(ids[i] & 63)
    n_unique = 0
    for k in range(marked.size):
        word = marked[k]
        marked[k] = 0
        while word != 0:
            ids[n_unique] = 64 * k + lowest_bit(word)
            n_unique += 1
            word &= word - np.uint64(1)
    return n_unique
