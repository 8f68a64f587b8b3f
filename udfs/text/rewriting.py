"""Text rewritten as tokens between single spaces, so that one matcher serves every rule."""

import numpy as np
import pyarrow as pa

from udfs.compiled import compiled, inlined
from udfs.machine import PADDING
from udfs.text.code_points import BREAK, DROP, MARK, MODULUS, PART, REPLACEMENT, CodePoints
from udfs.text.token_trie import Text, padded_text

_SPACE = 32
# Written for a byte read, with one more a text: two of valid text, a space and an ASCII letter, and
# three of a character that is cut off.
_MOST_BYTES = 3


def rewrite(texts: pa.Array, table: CodePoints) -> Text:
    """(offsets (n + 1,), UTF-8 bytes padded by machine.PADDING) of n rewritten texts.

    texts: string or large_string, (n,); null becomes the empty text.
    """
    offsets, data = padded_text(texts)
    ends, written = _rewrite(offsets, data, table.pages, table.values)
    return ends, written


def rewritten(texts: pa.Array, table: CodePoints) -> pa.StringArray:
    """The same as an array, such as the entries of a token trie."""
    offsets, data = rewrite(texts, table)
    starts = pa.py_buffer(offsets.astype(np.int32))
    return pa.StringArray.from_buffers(len(texts), starts, pa.py_buffer(data))


@compiled
def _rewrite(offsets, data, pages, values):
    n_rows = offsets.size - 1
    n_read = offsets[n_rows] - offsets[0]
    written = np.empty(_MOST_BYTES * n_read + n_rows + PADDING, np.uint8)
    ends = np.zeros(n_rows + 1, np.int64)
    n = 0
    for row in range(n_rows):
        begin = n
        gap = False  # a space is due before the next token
        at = offsets[row]
        while at < offsets[row + 1]:
            code, at = decode(data, at, offsets[row + 1])
            value = values[(np.int64(pages[code >> 8]) << 8) | (code & 255)]
            kind = value >> 24
            if kind in (PART, MARK):
                if gap or (kind == MARK and n > begin):
                    written[n] = _SPACE
                    n += 1
                n = _encode(written, n, (code + np.int64(value)) & MODULUS)
                gap = kind == MARK
            elif kind == BREAK:
                written[n] = _SPACE
                n += 1
            elif kind != DROP:
                gap = n > begin
        ends[row + 1] = n
    return ends, written[: n + PADDING]


@inlined
def decode(data, at, end):
    """(code point, where the next begins) of UTF-8 that ends at `end`.

    Of bytes that are none it gives some code up to 0x1FFFFF, and REPLACEMENT for a character that
    would go on behind the end, so that no caller reads or writes outside of its arrays.
    """
    first = np.int64(data[at])
    if first < 0x80:
        return first, at + 1
    size = 2 + np.int64(first >= 0xE0) + np.int64(first >= 0xF0)
    if at + size > end:
        return np.int64(REPLACEMENT), np.int64(end)
    if size == 2:
        return (first & 31) << 6 | (np.int64(data[at + 1]) & 63), at + 2
    middle = (np.int64(data[at + 1]) & 63) << 6 | (np.int64(data[at + 2]) & 63)
    if size == 3:
        return (first & 15) << 12 | middle, at + 3
    return (first & 7) << 18 | middle << 6 | (np.int64(data[at + 3]) & 63), at + 4


@inlined
def _encode(written, n, code):
    """Write a code point as UTF-8; where the next goes."""
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
