"""What each code point is to a rule: part of a token, a token of its own, or what parts tokens."""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

N_CODE_POINTS = 0x110000
MODULUS = (1 << 21) - 1  # & with it takes a number modulo 2^21
REPLACEMENT = 0xFFFD  # what a character that is cut off counts as
_PAGE = 256
_N_PAGES = (MODULUS + 1) // _PAGE  # of all that four bytes can hold, valid or not

# What a code point does where text is rewritten as tokens between single spaces.
PART, MARK, SEPARATE, BREAK, DROP = range(5)


class CodePoints(NamedTuple):
    """A table over all code points, in pages of 256 of which each is kept once.

    `values[pages[c >> 8] << 8 | c & 255]` holds the kind of c << 24, and below it what is to be
    added to c, modulo 2^21, for the code point that it is written as. Kinds: PART of a token; MARK,
    a token of its own; SEPARATE, which ends a token; BREAK, a space, so that two of them have an
    empty token between; DROP, which is nothing. What bytes that are no UTF-8 decode to, up to
    0x1FFFFF, has pages too.
    """

    pages: NDArray[np.uint16]
    values: NDArray[np.uint32]


def code_points(kinds: NDArray[np.uint8], folded: NDArray[np.uint32]) -> CodePoints:
    """The table of kinds (N_CODE_POINTS,) and of what each code point is written as."""
    added = (folded.astype(np.int64) - themselves()) % (MODULUS + 1)
    values = kinds.astype(np.uint32) << np.uint32(24) | added.astype(np.uint32)
    pages, page_of = np.unique(values.reshape(-1, _PAGE), axis=0, return_inverse=True)
    beyond = np.full(_N_PAGES - page_of.size, len(pages))  # parts of tokens, written as they are
    all_pages = np.concatenate([page_of.reshape(-1), beyond]).astype(np.uint16)
    return CodePoints(all_pages, np.concatenate([pages.reshape(-1), np.zeros(_PAGE, np.uint32)]))


def themselves() -> NDArray[np.uint32]:
    """Every code point written as it is, (N_CODE_POINTS,)."""
    return np.arange(N_CODE_POINTS, dtype=np.uint32)


@cache
def lower_case() -> NDArray[np.uint32]:
    """Every code point as its lower case, where that is one code point."""
    folded = themselves()
    for code in range(N_CODE_POINTS):
        lower = chr(code).lower()
        if len(lower) == 1:
            folded[code] = ord(lower)
    return folded


@cache
def word_characters() -> NDArray[np.bool_]:
    """What Python's regular expressions take as part of a word: letters, digits, underscore."""
    return np.array([chr(code).isalnum() or code == ord("_") for code in range(N_CODE_POINTS)])
