"""Find a line that is too long to be a record, once a reader has failed on its memory."""

from collections.abc import Iterable
from typing import NamedTuple

from udfs.opened_files import chunks

LONG_LINE_BYTES = 16 << 20  # a reader of Spark takes several times as much memory for it
_MOST_BYTES_SEEN = 8 << 30  # of all files: half a minute


class LongLine(NamedTuple):
    """A line by its place, from 1, and its length."""

    path: str
    number: int
    n_bytes: int


def longest_line(paths: Iterable[str]) -> LongLine | None:
    """The longest line in the first 8 GiB of the files; None if none has LONG_LINE_BYTES.

    Raises DamagedFileError for a file that cannot be decompressed.
    """
    longest, n_seen = LongLine("", 0, LONG_LINE_BYTES - 1), 0
    for path in paths:
        if n_seen >= _MOST_BYTES_SEEN:
            break
        number, n_bytes = 1, 0
        for block in chunks(path):
            # Blocks are shorter than a long line, so only lines that cross their borders count.
            ends = [place for place in map(block.find, (b"\n", b"\r")) if place >= 0]
            n_bytes += min(ends, default=len(block))
            if n_bytes > longest.n_bytes:
                longest = LongLine(path, number, n_bytes)
            if ends:
                n_bytes = len(block) - 1 - max(map(block.rfind, (b"\n", b"\r")))
                number += block.count(b"\n")
            n_seen += len(block)
            if n_seen >= _MOST_BYTES_SEEN:
                break
    return longest if longest.path else None
