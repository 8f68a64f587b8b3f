"""Where the entries of MetaCLIP 2's rule stand in captions."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.text.metaclip2_match import (
    BLANK,
    KIND_MARK,
    kinds_of_spacing,
    room_for_codes,
    spaced,
    spaced_pieces,
)
from udfs.text.pieces import code_points_in, long_rows, without
from udfs.text.rewriting import decode
from udfs.text.spans import END, ROW, START, Spans, with_room, write_span
from udfs.text.substring_trie import ROOT, SubstringTrie, follow
from udfs.text.token_trie import LAST, Text, padded_text


def substring_spans(
    captions: pa.Array, trie: SubstringTrie, pads: NDArray[np.bool_], *, is_stripped: bool = True
) -> Spans:
    """Every occurrence of a padded entry, also those that overlap; (n, 4): row, id, start, end.

    captions and trie as for `match_substrings`. `pads`: (n_entries, 2), whether a space was put
    before and behind an entry, which does not belong to it. Start and end are in code points of the
    caption as given.
    """
    offsets, text = padded_text(captions)
    is_valid = captions.is_valid().to_numpy(zero_copy_only=False)
    kinds, long = kinds_of_spacing(), long_rows(offsets, is_valid)
    found = [_find(offsets, text, without(is_valid, long), trie, pads, is_stripped, kinds)]
    for row in long:
        inside = _spans_in((offsets[row : row + 2], text), trie, pads, is_stripped)
        inside[:, ROW] = row
        found.append(inside)
    return np.concatenate(found)


def _spans_in(row: Text, trie: SubstringTrie, pads: NDArray[np.bool_], is_stripped: bool) -> Spans:
    """Those of one caption, piece by piece."""
    kinds, is_valid = kinds_of_spacing(), np.ones(1, np.bool_)
    (counted, _), text = row
    found, n_before = [], 0
    for piece in spaced_pieces(row, trie, is_stripped, kinds):
        n_before += code_points_in(text, counted, piece[0], False)
        counted = piece[0]
        spans = _find(piece, text, is_valid, trie, pads, False, kinds)
        spans[:, [START, END]] += n_before
        found.append(spans)
    unique: Spans = np.unique(np.concatenate(found), axis=0)
    return unique


@compiled
def _find(offsets, data, is_valid, trie, pads, is_stripped, kinds):
    slots, entry_of, next_equal = trie.slots, trie.entry_of, trie.next_equal
    codes = np.empty(room_for_codes(offsets, data, is_valid, kinds), np.int32)
    given = np.empty(codes.size + 1, np.int32)
    spans = np.empty((max(64, 4 * is_valid.size), 4), np.int32)
    n_spans = 0
    row = 0
    while row < is_valid.size:
        size = 0
        if is_valid[row]:
            size = spaced(data, offsets[row], offsets[row + 1], is_stripped, kinds, codes)
            stripped = 0
            if is_stripped:
                stripped = _blanks(data, offsets[row], offsets[row + 1], kinds)
            _number(codes, size, kinds, stripped, given)
        n = n_spans
        for start in range(size):
            node = ROOT
            at = start
            while at < size:
                node = follow(slots, node, codes[at])
                if node == 0:
                    break
                at += 1
                entry = np.int64(entry_of[node])
                while entry != LAST:
                    begin = given[start + pads[entry, 0]]
                    n = write_span(spans, n, row, entry, begin, given[at - pads[entry, 1]])
                    entry = np.int64(next_equal[entry])
        if n > spans.shape[0]:
            spans = with_room(spans, n_spans, n)
            continue  # the same row again
        n_spans = n
        row += 1
    return spans[:n_spans].copy()


@inlined
def _blanks(data, at, end, kinds):
    """How many code points stripping takes off at the start."""
    n = 0
    while at < end:
        code, at = decode(data, at, end)
        if code >= kinds.size or kinds[code] < BLANK:
            break
        n += 1
    return n


@inlined
def _number(codes, size, kinds, n, given):
    """Write how many code points were given before each of the spaced ones; n were stripped.

    Spacing added what stands at both ends and beside marks.
    """
    for k in range(size):
        given[k] = n
        before = codes[k - 1] if k > 0 else 0
        behind = codes[k + 1] if k + 1 < size else 0
        is_added = k == 0 or k == size - 1
        is_added |= before < kinds.size and kinds[before] == KIND_MARK
        is_added |= behind < kinds.size and kinds[behind] == KIND_MARK
        n += 1 - np.int64(is_added)
    given[size] = n
