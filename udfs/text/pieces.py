"""A long caption in pieces, so that what a kernel holds of it does not grow with its length.

A piece begins behind a byte that ends tokens and ends before one, so its tokens are tokens of the
caption. It begins so far before the end of the last piece that no entry is cut in two.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from udfs.compiled import compiled

PIECE_BYTES = 1 << 18  # a kernel may need fifty times as many


def border_table(characters: str) -> NDArray[np.bool_]:
    """Whether a byte is one of these characters, which must be ASCII, (256,)."""
    table = np.zeros(256, np.bool_)
    table[list(characters.encode("ascii"))] = True
    return table


def long_rows(offsets: NDArray[np.int64], is_valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The rows that are to be searched in pieces."""
    return np.flatnonzero(is_valid & (np.diff(offsets) > PIECE_BYTES))


def without(is_valid: NDArray[np.bool_], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows are valid and none of these."""
    if not rows.size:
        return is_valid
    others = is_valid.copy()
    others[rows] = False
    return others


def pieces(
    text: NDArray[np.uint8],
    start: np.int64,
    end: np.int64,
    borders: NDArray[np.bool_],
    longest: int,
) -> Iterator[NDArray[np.int64]]:
    """(start, end) of the pieces of text[start:end], cut at bytes that are `borders`.

    `longest`: bytes of the longest entry, each occurrence of which is whole in some piece. A text
    without borders stays whole.
    """
    size = max(PIECE_BYTES, 4 * longest)
    while True:
        next_start, piece_end = _cut(text, start, end, borders, longest, size)
        yield np.array([start, piece_end], np.int64)
        if piece_end == end:
            return
        start = next_start


@compiled
def code_points_in(text, start, end, skips_spaces):
    """How many code points begin in text[start:end], spaces left out if `skips_spaces`."""
    n = 0
    for at in range(start, end):
        if text[at] & 0xC0 != 0x80 and not (skips_spaces and text[at] == 32):
            n += 1
    return n


@compiled
def _cut(text, start, end, borders, longest, size):
    """(where the next piece begins, where the one from `start` ends)."""
    at = start + size
    while at < end:
        if borders[text[at]]:
            next_start = at - longest + 1
            while next_start > start and not borders[text[next_start - 1]]:
                next_start -= 1
            if next_start > start:
                return next_start, at
            at += size  # one token is nearly all of it
        else:
            at += 1
    return end, end
