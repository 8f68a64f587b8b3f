"""Where the entries of a token trie stand in captions."""

from typing import Literal

import numpy as np
import pyarrow as pa

from udfs.compiled import compiled, inlined
from udfs.text.code_points import CodePoints
from udfs.text.pieces import code_points_in, long_rows, without
from udfs.text.rewriting import rewrite
from udfs.text.spans import END, ROW, START, Spans, with_room, write_span
from udfs.text.token_match import cut, longest_text, most_tokens, token_pieces
from udfs.text.token_search import look_up, new_block
from udfs.text.token_trie import (
    ENTRY,
    LAST,
    SEVERAL,
    Text,
    TokenTrie,
    edge_hash,
    edge_slot,
    may_be_edge,
    padded_text,
)
from udfs.text.vocabulary import SHIFT_32, slot_shift


def token_spans(
    captions: pa.Array,
    trie: TokenTrie,
    table: CodePoints | None = None,
    *,
    spaces: Literal["given", "added"] = "given",
) -> Spans:
    """Every occurrence of an entry, also those that overlap; (n, 4): row, entry id, start, end.

    captions, trie and table as for `match_captions`. Start and end are in code points of the
    caption. A table must leave each code point one: it turns them into `spaces` that stand for
    those "given", or none does and all spaces are "added" between them.
    """
    offsets, text = padded_text(captions) if table is None else rewrite(captions, table)
    is_valid = captions.is_valid().to_numpy(zero_copy_only=False)
    is_spaced, skips_spaces = table is not None, spaces == "added"
    long = long_rows(offsets, is_valid)
    found = [_find(offsets, text, without(is_valid, long), trie, is_spaced, skips_spaces)]
    for row in long:
        inside = _spans_in((offsets[row : row + 2], text), trie, is_spaced, skips_spaces)
        inside[:, ROW] = row
        found.append(inside)
    return np.concatenate(found)


def _spans_in(row: Text, trie: TokenTrie, is_spaced: bool, skips_spaces: bool) -> Spans:
    """Those of one caption, piece by piece."""
    (start, _), text = row
    found, counted, n_before = [], start, 0
    for piece in token_pieces(row, trie, is_spaced):
        n_before += code_points_in(text, counted, piece[0], skips_spaces)
        counted = piece[0]
        spans = _find(piece, text, np.ones(1, np.bool_), trie, is_spaced, skips_spaces)
        spans[:, [START, END]] += n_before
        found.append(spans)
    unique: Spans = np.unique(np.concatenate(found), axis=0)
    return unique


@compiled
def _find(offsets, data, is_valid, trie, is_spaced, skips_spaces):
    block = new_block(most_tokens(offsets, is_valid))
    spans = np.empty((max(64, 4 * is_valid.size), 4), np.int32)
    code_at = np.empty(longest_text(offsets, is_valid) + 1, np.int32)
    n_spans = 0
    row = 0
    while row < is_valid.size:
        n_tokens = cut(data, offsets, is_valid, row, is_spaced, block.start, block.length, 0)
        look_up(data, n_tokens, block, trie)
        if is_valid[row]:
            _number(data, offsets[row], offsets[row + 1], skips_spaces, code_at)
        n = _collect(row, n_tokens - 1, block, trie, code_at, offsets[row], spans, n_spans)
        if n > spans.shape[0]:
            spans = with_room(spans, n_spans, n)
            continue  # the same row again
        n_spans = n
        row += 1
    return spans[:n_spans].copy()


@inlined
def _number(data, start, end, skips_spaces, code_at):
    """Write how many code points of the caption begin before each byte."""
    n = 0
    for at in range(start, end):
        code_at[at - start] = n
        is_first = data[at] & 0xC0 != 0x80
        if is_first and not (skips_spaces and data[at] == 32):
            n += 1
    code_at[end - start] = n


@inlined
def _collect(row, n_tokens, block, trie, code_at, origin, spans, n):
    """Write the spans of a caption as far as there is room; give their new number."""
    slots, edge_filter = trie.edges
    edge_shift = slot_shift(slots.size // 2)
    filter_shift = slot_shift(edge_filter.size * 8)
    for first in range(n_tokens):
        leads_to = block.leads_to[first]
        last = first
        while True:
            entry = np.int64(leads_to & ENTRY) - 1
            is_more = leads_to & SEVERAL != 0
            while entry != LAST:
                start = code_at[block.start[first] - origin]
                end = code_at[block.start[last] + block.length[last] - origin]
                n = write_span(spans, n, row, entry, start, end)
                entry = np.int64(trie.next_equal[entry] if is_more else LAST)
            node = leads_to >> SHIFT_32
            last += 1
            token = np.uint64(block.token[last])  # 0 behind the caption's last
            if node == 0 or token == 0:
                break
            hashed = edge_hash(node, token)
            if not may_be_edge(edge_filter, hashed, filter_shift):
                break
            slot = edge_slot(slots, np.int64(hashed >> edge_shift), (node << SHIFT_32) | token)
            leads_to = slots[2 * slot + 1]
    return n
