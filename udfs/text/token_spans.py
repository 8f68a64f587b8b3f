"""Find every occurrence of a token trie's entries in captions."""

from typing import Literal

import numpy as np
import pyarrow as pa

from udfs.compiled import compiled, inlined
from udfs.text.code_points import CodePointTable
from udfs.text.pieces import count_code_points, is_valid_except, long_rows
from udfs.text.rewriting import rewrite
from udfs.text.spans import END, ROW, START, Spans, grow_spans, write_span
from udfs.text.token_match import cut_tokens, max_block_tokens, max_text_bytes, token_pieces
from udfs.text.token_search import find_entries, look_up_tokens, new_block
from udfs.text.token_trie import NO_ENTRY, PaddedText, TokenTrie, padded_text


def token_spans(
    captions: pa.Array,
    trie: TokenTrie,
    table: CodePointTable | None = None,
    *,
    spaces: Literal["given", "added"] = "given",
) -> Spans:
    """Every occurrence of an entry, overlapping ones included; (n, 4): row, entry id, start, end.

    captions, trie and table as for `match_captions`. Start and end count code points of the caption
    before rewriting, so a table must map each code point to one code point, and `spaces` says what
    the rewritten text's spaces are: "given", each stands for a code point of the caption, or
    "added", none does.
    """
    offsets, text = padded_text(captions) if table is None else rewrite(captions, table)
    is_valid = captions.is_valid().to_numpy(zero_copy_only=False)
    is_spaced, skips_spaces = table is not None, spaces == "added"
    long = long_rows(offsets, is_valid)
    is_short = is_valid_except(is_valid, long)
    parts = [_find_spans(offsets, text, is_short, trie, is_spaced, skips_spaces)]
    for row in long:
        caption = (offsets[row : row + 2], text)
        caption_spans = _spans_in_pieces(caption, trie, is_spaced, skips_spaces)
        caption_spans[:, ROW] = row
        parts.append(caption_spans)
    return np.concatenate(parts)


def _spans_in_pieces(
    caption: PaddedText, trie: TokenTrie, is_spaced: bool, skips_spaces: bool
) -> Spans:
    """The spans in one caption, with row 0; pieces overlap, so each occurrence is made unique."""
    (start, _), text = caption
    parts, counted_to, n_before = [], start, 0
    for piece in token_pieces(caption, trie, is_spaced):
        n_before += count_code_points(text, counted_to, piece[0], skips_spaces)
        counted_to = piece[0]
        spans = _find_spans(piece, text, np.ones(1, np.bool_), trie, is_spaced, skips_spaces)
        spans[:, [START, END]] += n_before
        parts.append(spans)
    unique: Spans = np.unique(np.concatenate(parts), axis=0)
    return unique


@compiled
def _find_spans(offsets, text, is_valid, trie, is_spaced, skips_spaces):
    """Spans (n, 4) of the valid captions, each cut, looked up and walked by itself.

    `code_at[k]`: code points before byte k of the caption, which turns byte positions of tokens
    into those of code points. If the spans do not fit, the array grows and the caption is repeated.
    """
    block = new_block(max_block_tokens(offsets, is_valid))
    spans = np.empty((max(64, 4 * is_valid.size), 4), np.int32)
    code_at = np.empty(max_text_bytes(offsets, is_valid) + 1, np.int32)
    n_spans = 0
    row = 0
    while row < is_valid.size:
        n_tokens = cut_tokens(text, offsets, is_valid, row, is_spaced, block.start, block.length, 0)
        look_up_tokens(text, n_tokens, block, trie)
        if is_valid[row]:
            _number_bytes(text, offsets[row], offsets[row + 1], skips_spaces, code_at)
        n = _write_spans(row, n_tokens - 1, block, trie, code_at, offsets[row], spans, n_spans)
        if n > spans.shape[0]:
            spans = grow_spans(spans, n_spans, n)
            continue  # the same row again
        n_spans = n
        row += 1
    return spans[:n_spans].copy()


@inlined
def _number_bytes(text, start, end, skips_spaces, code_at):
    """Write how many code points of the caption begin before each byte, and before its end."""
    n = 0
    for position in range(start, end):
        code_at[position - start] = n
        is_first = text[position] & 0xC0 != 0x80
        if is_first and not (skips_spaces and text[position] == 32):
            n += 1
    code_at[end - start] = n


@inlined
def _write_spans(row, n_tokens, block, trie, code_at, text_start, spans, n):
    """Write the spans of a caption as far as they fit; give the number of all spans."""
    out = (spans, row, block.start, block.length, code_at, text_start)
    return find_entries(0, n_tokens, block, trie, _write_token_span, out, n)


@inlined
def _write_token_span(out, n, entry, first, last):
    """Write the span of an entry from token `first` to token `last`; see `find_entries`."""
    spans, row, starts, lengths, code_at, text_start = out
    if entry == NO_ENTRY:
        return n
    start = code_at[starts[first] - text_start]
    end = code_at[starts[last] + lengths[last] - text_start]
    return write_span(spans, n, row, entry, start, end)
