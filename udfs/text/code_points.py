"""Tables over all code points: which are part of a token, are a token, or separate tokens."""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

N_CODE_POINTS = 0x110000
MODULUS = (1 << 21) - 1  # a bit mask: n & MODULUS is n modulo 2^21
REPLACEMENT = 0xFFFD  # the code point that stands for a truncated character
_PAGE = 256
_N_PAGES = (MODULUS + 1) // _PAGE  # for every value that 4 bytes can decode to, valid or not

# Kinds: what a code point does when text is rewritten as tokens between single spaces.
PART, MARK, SEPARATE, BREAK, DROP = range(5)


class CodePointTable(NamedTuple):
    """Kind and folding of every code point, in pages of 256, with equal pages stored once.

    `pages`: (8192,), the page number of c >> 8, up to 0x1FFFFF (invalid UTF-8 can decode to that).
    `values`: (n_pages * 256,); `values[pages[c >> 8] << 8 | c & 255]` is kind << 24 | offset, and c
    is written as (c + offset) modulo 2^21. Kinds: PART of a token; MARK, a token of its own;
    SEPARATE, ends a token; BREAK, always writes a space, so two of them enclose an empty token;
    DROP, writes nothing.
    """

    pages: NDArray[np.uint16]
    values: NDArray[np.uint32]


def build_code_point_table(kinds: NDArray[np.uint8], folded: NDArray[np.uint32]) -> CodePointTable:
    """Build the table from each code point's kind and the code point it is written as.

    kinds, folded: (N_CODE_POINTS,).
    """
    offsets = (folded.astype(np.int64) - identity_folding()) % (MODULUS + 1)
    values = kinds.astype(np.uint32) << np.uint32(24) | offsets.astype(np.uint32)
    pages, page_numbers = np.unique(values.reshape(-1, _PAGE), axis=0, return_inverse=True)
    # Values above the last code point share one more page: parts of tokens, not folded.
    invalid_pages = np.full(_N_PAGES - page_numbers.size, len(pages))
    all_pages = np.concatenate([page_numbers.reshape(-1), invalid_pages]).astype(np.uint16)
    all_values = np.concatenate([pages.reshape(-1), np.zeros(_PAGE, np.uint32)])
    return CodePointTable(all_pages, all_values)


def identity_folding() -> NDArray[np.uint32]:
    """Every code point itself, (N_CODE_POINTS,)."""
    return np.arange(N_CODE_POINTS, dtype=np.uint32)


@cache
def lower_case_folding() -> NDArray[np.uint32]:
    """Every code point's lower case where that is one code point, else itself, (N_CODE_POINTS,)."""
    folded = identity_folding()
    for code in range(N_CODE_POINTS):
        lower = chr(code).lower()
        if len(lower) == 1:
            folded[code] = ord(lower)
    return folded


@cache
def is_word_character() -> NDArray[np.bool_]:
    r"""Whether Python's `\w` matches: letters, digits and the underscore, (N_CODE_POINTS,)."""
    return np.array([chr(code).isalnum() or code == ord("_") for code in range(N_CODE_POINTS)])
