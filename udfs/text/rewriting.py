"""Rewrite text as tokens between single spaces, so that one matcher serves every text rule."""

import numpy as np
import pyarrow as pa

from udfs.compiled import compiled, inlined
from udfs.machine import PADDING
from udfs.text.code_points import BREAK, DROP, MARK, MODULUS, PART, REPLACEMENT, CodePointTable
from udfs.text.token_trie import PaddedText, padded_text

_SPACE = 32
# Upper bound of the bytes written for a byte read, plus one a text: valid text needs 2 (a space and
# an ASCII letter), a truncated character 3.
_MAX_BYTES_PER_BYTE = 3


def rewrite(texts: pa.Array, table: CodePointTable) -> PaddedText:
    """(offsets (n + 1,), UTF-8 bytes padded by machine.PADDING) of n rewritten texts.

    texts: string or large_string, (n,); null becomes the empty text.
    """
    offsets, text = padded_text(texts)
    written_offsets, written = _rewrite(offsets, text, table.pages, table.values)
    return written_offsets, written


def rewrite_as_array(texts: pa.Array, table: CodePointTable) -> pa.StringArray:
    """The rewritten texts as an Arrow array, for example the entries of a token trie."""
    offsets, text = rewrite(texts, table)
    starts = pa.py_buffer(offsets.astype(np.int32))
    return pa.StringArray.from_buffers(len(texts), starts, pa.py_buffer(text))


@compiled
def _rewrite(offsets, text, pages, values):
    """(offsets (n + 1,), padded bytes) of the rewritten texts, in one pass over code points."""
    n_rows = offsets.size - 1
    n_read = offsets[n_rows] - offsets[0]
    written = np.empty(_MAX_BYTES_PER_BYTE * n_read + n_rows + PADDING, np.uint8)
    written_offsets = np.zeros(n_rows + 1, np.int64)
    n = 0
    for row in range(n_rows):
        row_start = n
        is_space_due = False  # before the next token
        position = offsets[row]
        while position < offsets[row + 1]:
            code, position = decode(text, position, offsets[row + 1])
            value = values[(np.int64(pages[code >> 8]) << 8) | (code & 255)]
            kind = value >> 24
            if kind in (PART, MARK):
                if is_space_due or (kind == MARK and n > row_start):
                    written[n] = _SPACE
                    n += 1
                n = _encode(written, n, (code + np.int64(value)) & MODULUS)
                is_space_due = kind == MARK
            elif kind == BREAK:
                written[n] = _SPACE
                n += 1
            elif kind != DROP:
                is_space_due = n > row_start
        written_offsets[row + 1] = n
    return written_offsets, written[: n + PADDING]


@inlined
def decode(text, position, end):
    """(code point at `position`, position of the next) in UTF-8 that ends at `end`.

    Invalid bytes give some code up to 0x1FFFFF, and a character that `end` truncates gives
    REPLACEMENT, so that no caller reads or writes outside of its arrays.
    """
    first = np.int64(text[position])
    if first < 0x80:
        return first, position + 1
    size = 2 + np.int64(first >= 0xE0) + np.int64(first >= 0xF0)
    if position + size > end:
        return np.int64(REPLACEMENT), np.int64(end)
    if size == 2:
        return (first & 31) << 6 | (np.int64(text[position + 1]) & 63), position + 2
    middle = (np.int64(text[position + 1]) & 63) << 6 | (np.int64(text[position + 2]) & 63)
    if size == 3:
        return (first & 15) << 12 | middle, position + 3
    return (first & 7) << 18 | middle << 6 | (np.int64(text[position + 3]) & 63), position + 4


@inlined
def _encode(written, n, code):
    """Write a code point as UTF-8 at written[n]; give the position behind it."""
    if code < 0x80:
        written[n] = code
        return n + 1
    if code < 0x800:
        written[n] = 0xC0 | code >> 6
        written[n + 1] = 0x80 | code & 63
        return n + 2
    if code < 0x10000:
        written[n] = 0xE0 | code >> 12
        written[n + 1] = 0x80 | code >> 6 & 63
        written[n + 2] = 0x80 | code & 63
        return n + 3
    written[n] = 0xF0 | code >> 18
    written[n + 1] = 0x80 | code >> 12 & 63
    written[n + 2] = 0x80 | code >> 6 & 63
    written[n + 3] = 0x80 | code & 63
    return n + 4
