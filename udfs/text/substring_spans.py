"""Find every occurrence of the entries of MetaCLIP 2's rule in captions."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.text.metaclip2_match import (
    BLANK,
    KIND_MARK,
    max_codes,
    space_caption,
    spaced_pieces,
    spacing_kinds,
)
from udfs.text.pieces import count_code_points, is_valid_except, long_rows
from udfs.text.rewriting import decode
from udfs.text.spans import END, ROW, START, Spans, grow_spans, write_span
from udfs.text.substring_trie import SubstringTrie, find_entries
from udfs.text.token_trie import PaddedText, padded_text


def substring_spans(
    captions: pa.Array,
    trie: SubstringTrie,
    padding: NDArray[np.bool_],
    *,
    is_stripped: bool = True,
) -> Spans:
    """Every occurrence of a padded entry, overlapping ones included; (n, 4): row, id, start, end.

    captions and trie as for `match_substrings`. `padding`: (n_entries, 2), whether a space was put
    before and behind an entry; the spans leave these spaces out. Start and end count code points of
    the caption before spacing.
    """
    offsets, text = padded_text(captions)
    is_valid = captions.is_valid().to_numpy(zero_copy_only=False)
    kinds, long = spacing_kinds(), long_rows(offsets, is_valid)
    is_short = is_valid_except(is_valid, long)
    parts = [_find_spans(offsets, text, is_short, trie, padding, is_stripped, kinds)]
    for row in long:
        caption = (offsets[row : row + 2], text)
        caption_spans = _spans_in_pieces(caption, trie, padding, is_stripped)
        caption_spans[:, ROW] = row
        parts.append(caption_spans)
    return np.concatenate(parts)


def _spans_in_pieces(
    caption: PaddedText, trie: SubstringTrie, padding: NDArray[np.bool_], is_stripped: bool
) -> Spans:
    """The spans in one caption, with row 0; pieces overlap, so each occurrence is made unique."""
    kinds, is_valid = spacing_kinds(), np.ones(1, np.bool_)
    (counted_to, _), text = caption
    parts, n_before = [], 0
    for piece in spaced_pieces(caption, trie, is_stripped, kinds):
        n_before += count_code_points(text, counted_to, piece[0], False)
        counted_to = piece[0]
        spans = _find_spans(piece, text, is_valid, trie, padding, False, kinds)
        spans[:, [START, END]] += n_before
        parts.append(spans)
    unique: Spans = np.unique(np.concatenate(parts), axis=0)
    return unique


@compiled
def _find_spans(offsets, text, is_valid, trie, padding, is_stripped, kinds):
    """Spans (n, 4) of the valid captions, each spaced and searched from every code point on.

    `position_of[k]`: the position in the caption of code point k of the spaced caption. If the
    spans do not fit, the array grows and the caption is repeated.
    """
    codes = np.empty(max_codes(offsets, text, is_valid, kinds), np.int32)
    position_of = np.empty(codes.size + 1, np.int32)
    spans = np.empty((max(64, 4 * is_valid.size), 4), np.int32)
    n_spans = 0
    row = 0
    while row < is_valid.size:
        n_codes = 0
        if is_valid[row]:
            n_codes = space_caption(text, offsets[row], offsets[row + 1], is_stripped, kinds, codes)
            n_stripped = 0
            if is_stripped:
                n_stripped = _count_leading_blanks(text, offsets[row], offsets[row + 1], kinds)
            _number_codes(codes, n_codes, kinds, n_stripped, position_of)
        n = _write_spans(row, codes, n_codes, trie, padding, position_of, spans, n_spans)
        if n > spans.shape[0]:
            spans = grow_spans(spans, n_spans, n)
            continue  # the same row again
        n_spans = n
        row += 1
    return spans[:n_spans].copy()


@inlined
def _write_spans(row, codes, n_codes, trie, padding, position_of, spans, n):
    """Write the spans of a spaced caption as far as they fit; give the number of all spans."""
    out = (spans, row, padding, position_of)
    for start in range(n_codes):
        n = find_entries(codes, start, n_codes, trie, _write_unpadded_span, out, n)
    return n


@inlined
def _write_unpadded_span(out, n, entry, start, end):
    """Write the span of an entry without its padding; see `find_entries`."""
    spans, row, padding, position_of = out
    begin = position_of[start + padding[entry, 0]]
    return write_span(spans, n, row, entry, begin, position_of[end - padding[entry, 1]])


@inlined
def _count_leading_blanks(text, position, end, kinds):
    """How many code points stripping removes at the start of a text."""
    n = 0
    while position < end:
        code, position = decode(text, position, end)
        if code >= kinds.size or kinds[code] < BLANK:
            break
        n += 1
    return n


@inlined
def _number_codes(codes, n_codes, kinds, n, position_of):
    """Write each spaced code point's position in the caption, of which `n` were stripped.

    Spacing added the code points at both ends and on both sides of marks.
    """
    for k in range(n_codes):
        position_of[k] = n
        before = codes[k - 1] if k > 0 else 0
        behind = codes[k + 1] if k + 1 < n_codes else 0
        is_added = k == 0 or k == n_codes - 1
        is_added |= before < kinds.size and kinds[before] == KIND_MARK
        is_added |= behind < kinds.size and kinds[behind] == KIND_MARK
        n += 1 - np.int64(is_added)
    position_of[n_codes] = n
