"""Match the entries of a token trie in an Arrow batch of captions: ascending ids per caption."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.machine import byte_set, lowest_bit
from udfs.text.code_points import CodePointTable
from udfs.text.lists import add_ids
from udfs.text.pieces import border_table, is_valid_except, long_rows, pieces
from udfs.text.rewriting import rewrite
from udfs.text.token_search import NOT_A_TOKEN, collect_ids, look_up_tokens, new_block
from udfs.text.token_trie import PaddedText, TokenTrie, padded_text

# MetaCLIP's spacing. All of these are ASCII, so kernels can look for them in UTF-8 byte by byte.
BREAKS = " \t\n\r"  # each becomes one space
MARKS = ",.;:?!`"  # each gets a space on both sides, so is a token of its own

# (text, position) -> a uint64 whose bit k is set if byte position + k is one of these.
_token_ends = byte_set(BREAKS + MARKS)
_marks = byte_set(MARKS)
_spaces = byte_set(" ")

_BORDERS, _SPACE_BORDERS = border_table(BREAKS + MARKS), border_table(" ")

# A block's tokens stay in the first-level cache.
_BLOCK_ROWS = 32
_BLOCK_BYTES = 1 << 13


def match_captions(
    captions: pa.Array, trie: TokenTrie, table: CodePointTable | None = None
) -> pa.ListArray:
    """Ids of the entries that occur in each caption, ascending and unique.

    captions: string or large_string, (n,). A null caption matches nothing. Captions are cut into
    tokens by MetaCLIP's spacing, or with a `table` rewritten by it and cut at single spaces; then
    the trie's entries must have been rewritten by the same rule. Memory beyond captions and ids is
    bounded: long captions are searched in pieces.
    """
    offsets, text = padded_text(captions) if table is None else rewrite(captions, table)
    is_valid = captions.is_valid().to_numpy(zero_copy_only=False)
    is_spaced = table is not None
    long = long_rows(offsets, is_valid)
    list_offsets, entry_ids = _match(
        offsets, text, is_valid_except(is_valid, long), trie, is_spaced
    )
    lists = pa.ListArray.from_arrays(pa.array(list_offsets), pa.array(entry_ids))
    long_ids = [_match_in_pieces((offsets[row : row + 2], text), trie, is_spaced) for row in long]
    rows = np.repeat(long, [ids.size for ids in long_ids])
    return add_ids(lists, rows, np.concatenate([np.zeros(0, np.int32), *long_ids]))


def token_pieces(
    caption: PaddedText, trie: TokenTrie, is_spaced: bool
) -> Iterator[NDArray[np.int64]]:
    """The `pieces` of one caption, cut only at spaces if `is_spaced`."""
    (start, end), text = caption
    return pieces(text, start, end, _SPACE_BORDERS if is_spaced else _BORDERS, trie.longest)


def _match_in_pieces(caption: PaddedText, trie: TokenTrie, is_spaced: bool) -> NDArray[np.int32]:
    """Ids of the entries in one caption, ascending and unique."""
    ids = np.zeros(0, np.int32)
    for piece in token_pieces(caption, trie, is_spaced):
        ids = np.union1d(ids, _match(piece, caption[1], np.ones(1, np.bool_), trie, is_spaced)[1])
    return ids


@compiled
def _match(offsets, text, is_valid, trie, is_spaced):
    """(list offsets (n + 1,), ids) of n captions; tokens end only at spaces if `is_spaced`.

    Block by block: cut the captions into tokens, look all of them up, collect ids caption by
    caption. When the buffer of ids is full, it grows and collecting goes on at that caption.
    """
    n_rows = offsets.size - 1
    list_offsets = np.zeros(n_rows + 1, np.int32)
    ids = np.empty(max(64, 8 * n_rows), np.int32)
    marked = np.zeros(trie.n_entries // 64 + 1, np.uint64)
    block = new_block(max_block_tokens(offsets, is_valid))
    row_tokens = np.zeros(_BLOCK_ROWS + 1, np.int64)
    n_ids = 0
    row = 0
    while row < n_rows:
        n_tokens = 0
        end = row
        while (
            end < n_rows and end - row < _BLOCK_ROWS and offsets[end] - offsets[row] < _BLOCK_BYTES
        ):
            n_tokens = cut_tokens(
                text, offsets, is_valid, end, is_spaced, block.start, block.length, n_tokens
            )
            end += 1
            row_tokens[end - row] = n_tokens
        look_up_tokens(text, n_tokens, block, trie)
        block_start = row
        while row < end:
            row, n_ids, n_needed = collect_ids(
                (row, end),
                row_tokens[row - block_start :],
                block,
                trie,
                ids,
                n_ids,
                list_offsets[1:],
                marked,
            )
            if row < end:
                ids = _grow(ids, n_ids, n_needed)
    return list_offsets, ids[:n_ids].copy()


@compiled
def max_block_tokens(offsets, is_valid):
    """Upper bound of the tokens and sentinels in any block."""
    return 2 * (_BLOCK_BYTES + max_text_bytes(offsets, is_valid)) + 2 * _BLOCK_ROWS


@compiled
def max_text_bytes(offsets, is_valid):
    """Bytes of the longest valid text."""
    max_bytes = 0
    for row in range(is_valid.size):
        if is_valid[row]:
            max_bytes = max(max_bytes, offsets[row + 1] - offsets[row])
    return max_bytes


@inlined
def cut_tokens(text, offsets, is_valid, row, is_spaced, starts, lengths, n_tokens):
    """Append a caption's tokens and sentinel to a block's starts and lengths; give their number.

    64 bytes at a time: one bit mask of the bytes that end a token, one of those that are a token of
    their own. Each step takes the lowest bit of the first mask; a mark is written behind the token
    it ends and, if it is none, overwritten. A null caption has only the sentinel.
    """
    start, end = offsets[row], offsets[row + 1]
    for position in range(start, end + 1 if is_valid[row] else start, 64):
        breaks = _spaces(text, position) if is_spaced else _token_ends(text, position)
        marks = np.uint64(0) if is_spaced else _marks(text, position)
        if end - position < 64:
            inside = (np.uint64(1) << np.uint64(end - position)) - np.uint64(1)
            breaks = (breaks & inside) | (inside + np.uint64(1))  # the caption's end ends a token
            marks &= inside
        while breaks != 0:
            bit = lowest_bit(breaks)
            starts[n_tokens] = start
            lengths[n_tokens] = position + bit - start
            n_tokens += 1
            starts[n_tokens] = position + bit
            lengths[n_tokens] = 1
            n_tokens += np.int64((marks >> np.uint64(bit)) & np.uint64(1))
            start = position + bit + 1
            breaks &= breaks - np.uint64(1)
    starts[n_tokens] = end
    lengths[n_tokens] = NOT_A_TOKEN
    return n_tokens + 1


@compiled
def _grow(ids, n_ids, n_needed):
    """A larger buffer, for at least `n_needed` ids, with the first `n_ids`."""
    larger = np.empty(max(2 * ids.size, n_needed), np.int32)
    larger[:n_ids] = ids[:n_ids]
    return larger
