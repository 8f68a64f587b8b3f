"""Cut captions into words at white space, as Python's `str.split` does."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.hashing import hash_bytes
from udfs.text.rewriting import decode
from udfs.text.token_trie import padded_text


class Words(NamedTuple):
    """The words of n captions: word k of caption i is at offsets[i] <= k < offsets[i + 1].

    `offsets`: (n + 1,). `hashes`, `starts`, `ends`: (n_words,); the last two in bytes of `text`,
    which holds all captions in UTF-8.
    """

    offsets: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    text: NDArray[np.uint8]

    def word(self, k: int) -> str:
        """Word k as text."""
        return self.text[self.starts[k] : self.ends[k]].tobytes().decode()


def split_words(captions: pa.Array) -> Words:
    """Words of an Arrow array of strings; a null has none."""
    text_offsets, text = padded_text(captions)
    n_most = int(text_offsets[-1] + len(captions)) // 2 + 1
    offsets, hashes, starts, ends = _split(text_offsets, text, min(n_most, text.size))
    return Words(offsets, hashes, starts, ends, text)


@inlined
def _is_space(code):
    if code < 0x80:
        return code == 32 or (9 <= code <= 13) or (28 <= code <= 31)
    if code < 0x1680:
        return code == 0x85 or code == 0xA0
    return (
        code == 0x1680
        or (0x2000 <= code <= 0x200A)
        or code == 0x2028
        or code == 0x2029
        or code == 0x202F
        or code == 0x205F
        or code == 0x3000
    )


@compiled
def _split(text_offsets, text, n_most):
    """(offsets, hashes, starts, ends) of the words, of which there are at most n_most."""
    n_rows = text_offsets.size - 1
    offsets = np.zeros(n_rows + 1, np.int64)
    hashes = np.empty(n_most, np.uint64)
    starts = np.empty(n_most, np.int64)
    ends = np.empty(n_most, np.int64)
    n = 0
    for row in range(n_rows):
        position, end = text_offsets[row], text_offsets[row + 1]
        start = np.int64(-1)
        while position < end:
            at = position
            code, position = decode(text, position, end)
            if _is_space(code):
                if start >= 0:
                    hashes[n], starts[n], ends[n] = hash_bytes(text, start, at), start, at
                    n += 1
                start = np.int64(-1)
            elif start < 0:
                start = at
        if start >= 0:
            hashes[n], starts[n], ends[n] = hash_bytes(text, start, end), start, end
            n += 1
        offsets[row + 1] = n
    return offsets, hashes[:n].copy(), starts[:n].copy(), ends[:n].copy()
