"""Find a trie's entries among the tokens of captions, a block of captions at a time.

The tables of a large bank do not fit into the CPU's caches, so a look-up costs a wait for memory,
not work. A block therefore goes through three passes over all its tokens: (1) hash each token and
prefetch its vocabulary slot; (2) read the slots, which have arrived by now, and prefetch the edge
slot of each pair of neighbouring tokens that passes the edge filter; (3) walk the edges and pass
each entry to a kernel that writes its id or its span. Many misses are then in flight at once.
Passes (1) and (2), `look_up_tokens`, select by masks instead of branches, since branches on the
text are mispredicted; pass (3) is `find_entries`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.machine import lowest_bit, prefetch
from udfs.text.token_trie import (
    ENTRY_MASK,
    HAS_EQUALS,
    NO_ENTRY,
    edge_hash,
    edge_slot,
    may_be_edge,
)
from udfs.text.vocabulary import (
    LOW_32,
    SHIFT_32,
    SLOT,
    TAG,
    TARGET,
    find_slot,
    first_slot,
    slot_shift,
    token_words,
)

NOT_A_TOKEN = -1  # length of the sentinel that ends a caption; no token in the vocabulary has it
_SHELL_SORT_GAPS = (301, 132, 57, 23, 10, 4, 1)  # Ciura 2001
_ALWAYS_SHELL_SORT_UP_TO = 32
# Above this many ids per 64-bit word of the bit set, marking ids in it is faster than sorting them.
_IDS_PER_WORD = 1 / 16


class Block(NamedTuple):
    """The tokens of a block of captions and what was looked up for each, all (capacity,).

    Each caption's tokens end with a sentinel of length NOT_A_TOKEN.
    """

    start: NDArray[np.int64]  # byte position in the text
    length: NDArray[np.int32]  # bytes
    first: NDArray[np.uint64]  # FIRST and SECOND word of its slot
    second: NDArray[np.uint64]
    slot: NDArray[np.int32]  # where probing the vocabulary begins
    token: NDArray[np.uint32]  # token number, 0 if no entry has it
    target: NDArray[np.uint64]  # of the path of this token alone
    edge_slot: NDArray[np.int32]  # slot + 1 where probing for (token before, this one) begins, or 0


@compiled
def new_block(capacity):
    """An uninitialised block for up to `capacity` tokens and sentinels."""
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
def look_up_tokens(text, n_tokens, block, trie):
    """Fill in a block whose first `n_tokens` have start and length: passes (1) and (2)."""
    vocabulary, edges = trie.vocabulary, trie.edges
    slots, edge_slots, edge_filter = vocabulary.slots, edges.slots, edges.filter
    starts, lengths, firsts, seconds, token_slots, tokens, targets, pair_slots = block
    shift = slot_shift(slots.size // SLOT)
    for k in range(n_tokens):
        length = np.int64(lengths[k])
        first, second = token_words(text, starts[k], length)
        slot = first_slot(first, second, length, shift)
        firsts[k] = first
        seconds[k] = second
        token_slots[k] = slot
        prefetch(slots, SLOT * slot)
    edge_shift = slot_shift(edge_slots.size // 2)
    filter_shift = slot_shift(edge_filter.size * 8)
    node = np.uint64(0)  # that the token before leads to
    for k in range(n_tokens):
        slot, is_known = find_slot(
            vocabulary,
            np.int64(token_slots[k]),
            firsts[k],
            seconds[k],
            np.int64(lengths[k]),
            text,
            starts[k],
        )
        known_mask = np.uint64(0) - np.uint64(is_known)  # all bits or none
        token = slots[SLOT * slot + TAG] & LOW_32 & known_mask
        hashed = edge_hash(node, token)
        is_pair = np.uint64(node != 0) & np.uint64(token != 0)
        is_pair &= may_be_edge(edge_filter, hashed, filter_shift)
        pair_slot = np.int64((hashed >> edge_shift) + np.uint64(1)) & -np.int64(is_pair)
        prefetch(edge_slots, 2 * pair_slot)
        pair_slots[k] = pair_slot
        tokens[k] = token
        targets[k] = slots[SLOT * slot + TARGET] & known_mask
        node = targets[k] >> SHIFT_32


@inlined
def find_entries(begin, end, block, trie, write, out, n):
    """Find every occurrence of an entry in a caption's tokens `begin` to `end` - 1: pass (3).

    `write(out, n, entry, first, last)`: an inlined kernel that writes the entry of the tokens
    `first` to `last` to place `n` of `out`, if it has one, and gives the next place, which for
    NO_ENTRY is `n`. Gives the place after the last.
    """
    next_equal = trie.next_equal
    for first in range(begin, end):  # entries of one token
        n = _write_entries(block.target[first], first, first, next_equal, write, out, n)
    slots, edge_filter = trie.edges
    edge_shift = slot_shift(slots.size // 2)
    filter_shift = slot_shift(edge_filter.size * 8)
    for first in range(begin, end - 1):  # longer entries, by their first two tokens
        if block.edge_slot[first + 1] == 0:
            continue
        node = block.target[first] >> SHIFT_32
        slot = np.int64(block.edge_slot[first + 1]) - 1
        last = first + 1
        while True:
            key = (node << SHIFT_32) | np.uint64(block.token[last])
            target = slots[2 * edge_slot(slots, slot, key) + 1]  # 0 if there is no such edge
            n = _write_entries(target, first, last, next_equal, write, out, n)
            node = target >> SHIFT_32
            last += 1
            token = np.uint64(block.token[last])  # 0 for the sentinel
            if node == 0 or token == 0:
                break
            hashed = edge_hash(node, token)
            if not may_be_edge(edge_filter, hashed, filter_shift):
                break
            slot = np.int64(hashed >> edge_shift)
    return n


@inlined
def _write_entries(target, first, last, next_equal, write, out, n):
    """Write the entries that end at a target, or NO_ENTRY if none does."""
    entry = np.int64(target & ENTRY_MASK) - 1
    n = write(out, n, entry, first, last)
    if target & HAS_EQUALS:
        entry = np.int64(next_equal[entry])
        while entry != NO_ENTRY:
            n = write(out, n, entry, first, last)
            entry = np.int64(next_equal[entry])
    return n


@inlined
def collect_ids(rows, row_tokens, block, trie, ids, n_ids, list_ends, marked):
    """Write the entry ids of each caption in `rows` (first, end), ascending and unique.

    `row_tokens`: where each caption's tokens begin in the block, and the last one's end. `ids`:
    the output buffer, of which `n_ids` are in use. `list_ends`: gets the end of each caption's ids.
    `marked`: a bit set of all entries, zeros before and after. Gives (row reached, ids in use, ids
    needed); it stops before a row that needs a larger buffer.
    """
    first_row, end_row = rows
    for row in range(first_row, end_row):
        begin, end = row_tokens[row - first_row], row_tokens[row - first_row + 1] - 1
        n = n_ids + end - begin  # an estimate, which saves long captions a second walk
        if n <= ids.size:
            n = find_entries(begin, end, block, trie, _write_id, ids, n_ids)
        if n > ids.size:
            return row, n_ids, n
        n_ids += _sort_unique(ids[n_ids:n], marked)
        list_ends[row] = n_ids
    return end_row, n_ids, n_ids


@inlined
def _write_id(ids, n, entry, _first, _last):
    """Write an id. NO_ENTRY is written too, for the next to overwrite, which saves a branch."""
    if n < ids.size:
        ids[n] = entry
    return n + np.int64(entry != NO_ENTRY)


@inlined
def _sort_unique(ids, marked):
    """Sort in place, move the distinct ids to the front, and give their number."""
    if ids.size > max(_ALWAYS_SHELL_SORT_UP_TO, marked.size * _IDS_PER_WORD):
        return _sort_by_marking(ids, marked)
    for gap in _SHELL_SORT_GAPS:
        if gap > 1 and 3 * gap > ids.size:
            continue
        for i in range(gap, ids.size):
            entry_id = ids[i]
            k = i - gap
            while k >= 0 and ids[k] > entry_id:
                ids[k + gap] = ids[k]
                k -= gap
            ids[k + gap] = entry_id
    n_unique = 0
    for i in range(ids.size):
        if i == 0 or ids[i] != ids[i - 1]:
            ids[n_unique] = ids[i]
            n_unique += 1
    return n_unique


@inlined
def _sort_by_marking(ids, marked):
    """`_sort_unique` by setting each id's bit in `marked` and reading (and clearing) the bits."""
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
