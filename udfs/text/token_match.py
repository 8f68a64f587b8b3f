"""Entries of a bank in the captions of an Arrow batch: captions in, ascending entry ids out."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.machine import byte_set, lowest_bit
from udfs.text.code_points import CodePoints
from udfs.text.lists import with_more
from udfs.text.pieces import border_table, long_rows, pieces, without
from udfs.text.rewriting import rewrite
from udfs.text.token_search import NOT_A_TOKEN, collect, look_up, new_block
from udfs.text.token_trie import Text, TokenTrie, padded_text

# MetaCLIP's spacing. All of them are ASCII, so UTF-8 bytes will do.
BREAKS = " \t\n\r"  # each becomes one space
MARKS = ",.;:?!`"  # each gets a space on both sides, so is a token of its own

_where_tokens_end = byte_set(BREAKS + MARKS)
_where_marks = byte_set(MARKS)
_where_spaces = byte_set(" ")

_BORDERS, _SPACES = border_table(BREAKS + MARKS), border_table(" ")

_BLOCK_ROWS = 32  # whose tokens stay in the first cache
_BLOCK_BYTES = 1 << 13


def match_captions(
    captions: pa.Array, trie: TokenTrie, table: CodePoints | None = None
) -> pa.ListArray:
    """Ids of the entries that occur in each caption, ascending and unique.

    captions: string or large_string, (n,). A null caption matches nothing. They are cut as MetaCLIP
    cuts them, or with a `table` rewritten by it and cut at single spaces; the trie's entries must
    have been rewritten likewise. What it needs beside them and the ids is bounded: a long caption
    is searched in pieces.
    """
    offsets, text = padded_text(captions) if table is None else rewrite(captions, table)
    is_valid = captions.is_valid().to_numpy(zero_copy_only=False)
    is_spaced = table is not None
    long = long_rows(offsets, is_valid)
    list_offsets, entry_ids = _match(offsets, text, without(is_valid, long), trie, is_spaced)
    found = pa.ListArray.from_arrays(pa.array(list_offsets), pa.array(entry_ids))
    of_long = [_ids_in((offsets[row : row + 2], text), trie, is_spaced) for row in long]
    rows = np.repeat(long, [ids.size for ids in of_long])
    return with_more(found, rows, np.concatenate([np.zeros(0, np.int32), *of_long]))


def token_pieces(row: Text, trie: TokenTrie, is_spaced: bool) -> Iterator[NDArray[np.int64]]:
    """The `pieces` of one caption, whose tokens end at spaces alone if `is_spaced`."""
    (start, end), text = row
    return pieces(text, start, end, _SPACES if is_spaced else _BORDERS, trie.longest)


def _ids_in(row: Text, trie: TokenTrie, is_spaced: bool) -> NDArray[np.int32]:
    """Ids of the entries in one caption, ascending and unique."""
    ids = np.zeros(0, np.int32)
    for piece in token_pieces(row, trie, is_spaced):
        ids = np.union1d(ids, _match(piece, row[1], np.ones(1, np.bool_), trie, is_spaced)[1])
    return ids


@compiled
def _match(offsets, data, is_valid, trie, is_spaced):
    """(list offsets (n + 1,), ids) of n captions, which are cut at spaces only if `is_spaced`."""
    n_rows = offsets.size - 1
    list_offsets = np.zeros(n_rows + 1, np.int32)
    found = np.empty(max(64, 8 * n_rows), np.int32)
    marked = np.zeros(trie.n_entries // 64 + 1, np.uint64)
    block = new_block(most_tokens(offsets, is_valid))
    row_tokens = np.zeros(_BLOCK_ROWS + 1, np.int64)
    n_found = 0
    row = 0
    while row < n_rows:
        n_tokens = 0
        end = row
        while (
            end < n_rows and end - row < _BLOCK_ROWS and offsets[end] - offsets[row] < _BLOCK_BYTES
        ):
            n_tokens = cut(
                data, offsets, is_valid, end, is_spaced, block.start, block.length, n_tokens
            )
            end += 1
            row_tokens[end - row] = n_tokens
        look_up(data, n_tokens, block, trie)
        begin = row
        while row < end:
            row, n_found = collect(
                (row, end),
                row_tokens[row - begin :],
                block,
                trie,
                found,
                n_found,
                list_offsets[1:],
                marked,
            )
            if row < end:
                found = _doubled(found, n_found)
    return list_offsets, found[:n_found].copy()


@compiled
def most_tokens(offsets, is_valid):
    """Upper bound of the tokens in any block."""
    return 2 * (_BLOCK_BYTES + longest_text(offsets, is_valid)) + 2 * _BLOCK_ROWS


@compiled
def longest_text(offsets, is_valid):
    """Bytes of the longest text that is valid."""
    longest = 0
    for row in range(is_valid.size):
        if is_valid[row]:
            longest = max(longest, offsets[row + 1] - offsets[row])
    return longest


@inlined
def cut(data, offsets, is_valid, row, is_spaced, starts, lengths, n_tokens):
    """Append start and length of a caption's tokens and of its end; give their new number."""
    start, end = offsets[row], offsets[row + 1]
    for at in range(start, end + 1 if is_valid[row] else start, 64):
        breaks = _where_spaces(data, at) if is_spaced else _where_tokens_end(data, at)
        marks = np.uint64(0) if is_spaced else _where_marks(data, at)
        if end - at < 64:
            inside = (np.uint64(1) << np.uint64(end - at)) - np.uint64(1)
            breaks = (breaks & inside) | (inside + np.uint64(1))  # the end breaks as well
            marks &= inside
        while breaks != 0:
            bit = lowest_bit(breaks)
            starts[n_tokens] = start
            lengths[n_tokens] = at + bit - start
            n_tokens += 1
            starts[n_tokens] = at + bit  # stays only where it is a mark
            lengths[n_tokens] = 1
            n_tokens += np.int64((marks >> np.uint64(bit)) & np.uint64(1))
            start = at + bit + 1
            breaks &= breaks - np.uint64(1)
    starts[n_tokens] = end
    lengths[n_tokens] = NOT_A_TOKEN
    return n_tokens + 1


@compiled
def _doubled(found, n_found):
    larger = np.empty(2 * found.size, np.int32)
    larger[:n_found] = found[:n_found]
    return larger
