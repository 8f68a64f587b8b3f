"""Cut a long caption into overlapping pieces, which bounds the memory that kernels need.

A piece starts behind a border byte (one that ends tokens) and ends before one, so its tokens are
tokens of the caption. Consecutive pieces overlap by the longest entry's bytes, so no entry is cut.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from udfs.compiled import compiled

PIECE_BYTES = 1 << 18  # a kernel may need fifty times as much memory


def border_table(characters: str) -> NDArray[np.bool_]:
    """Whether a byte is one of `characters`, which must be ASCII, (256,)."""
    table = np.zeros(256, np.bool_)
    table[list(characters.encode("ascii"))] = True
    return table


def long_rows(offsets: NDArray[np.int64], is_valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Positions of the valid texts that are long enough to be searched in pieces."""
    return np.flatnonzero(is_valid & (np.diff(offsets) > PIECE_BYTES))


def is_valid_except(is_valid: NDArray[np.bool_], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """`is_valid` with False at `rows`."""
    if not rows.size:
        return is_valid
    is_short_and_valid = is_valid.copy()
    is_short_and_valid[rows] = False
    return is_short_and_valid


def pieces(
    text: NDArray[np.uint8],
    start: np.int64,
    end: np.int64,
    borders: NDArray[np.bool_],
    longest: int,
) -> Iterator[NDArray[np.int64]]:
    """(start, end) of each piece of text[start:end], cut at bytes for which `borders` is True.

    `longest`: bytes of the longest entry; each occurrence of an entry lies whole in some piece. A
    text without borders is one piece.
    """
    size = max(PIECE_BYTES, 4 * longest)
    while True:
        next_start, piece_end = _cut_piece(text, start, end, borders, longest, size)
        yield np.array([start, piece_end], np.int64)
        if piece_end == end:
            return
        start = next_start


@compiled
def count_code_points(text, start, end, skips_spaces):
    """Number of code points that begin in text[start:end], without spaces if `skips_spaces`."""
    n = 0
    for position in range(start, end):
        if text[position] & 0xC0 != 0x80 and not (skips_spaces and text[position] == 32):
            n += 1
    return n


@compiled
def _cut_piece(text, start, end, borders, longest, size):
    """(where the next piece starts, where the piece from `start` ends).

    The piece ends at the first border `size` bytes on; the next one starts behind the last border
    that is at least `longest` bytes before that.
    """
    position = start + size
    while position < end:
        if borders[text[position]]:
            next_start = position - longest + 1
            while next_start > start and not borders[text[next_start - 1]]:
                next_start -= 1
            if next_start > start:
                return next_start, position
            position += size  # one token fills nearly the whole piece: try a longer one
        else:
            position += 1
    return end, end
