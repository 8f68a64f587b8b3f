"""Open files in workers: local ones, and those in object stores that pyarrow supports."""

import bz2
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from udfs.file_systems import file_system, plain_path

# Suffixes that Spark decompresses too.
_OPENERS: dict[str, Callable[[Any], Any]] = {".gz": gzip.open, ".bz2": bz2.open}
# First bytes of a file -> its format, in words for messages.
_MAGIC = {
    b"PAR1\x15": "a parquet file",
    b"\x1f\x8b": "compressed by gzip",
    b"\xfd7zXZ": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"PK\x03\x04": "a zip archive, such as .xlsx",
    b"ARROW1\x00\x00": "an Arrow file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"SQLite format 3\x00": "a SQLite database",
    b"\x93NUMPY": "a numpy array",
}
# Of a compressed file that is read as a whole; a few kilobytes may hold any number of bytes.
MOST_DECOMPRESSED_BYTES = 1 << 30
_BLOCK_BYTES = 1 << 20
# Raised on decompression; gzip and bz2 raise different ones.
DECOMPRESSION_ERRORS = (OSError, EOFError, zlib.error)


class DamagedFileError(ValueError):
    """A file that is not decompressed to its end, damaged or too large; the message names it."""


def open_file(path: str) -> Any:
    """Open a binary file, decompressed if its name ends in .gz or .bz2.

    Raises ValueError if pyarrow has no file system for the path.
    """
    system, system_path = file_system(path)
    stream = system.open_input_file(system_path)
    for suffix, open_compressed in _OPENERS.items():
        if path.endswith(suffix):
            return open_compressed(stream)
    return io.BufferedReader(stream)


def read_block(stream: Any, path: str, n: int = _BLOCK_BYTES) -> bytes:
    """Read the next bytes of an open file; DamagedFileError if they cannot be decompressed."""
    try:
        block: bytes = stream.read(n)
    except DECOMPRESSION_ERRORS as fault:
        raise decompression_error(path, fault) from None
    return block


def decompression_error(path: str, fault: Exception) -> Exception:
    """The error to raise: DamagedFileError for a compressed file, else the fault itself."""
    if not path.endswith(tuple(_OPENERS)):
        return fault
    return _damaged(path)


def _damaged(path: str) -> "DamagedFileError":
    return DamagedFileError(f"{shown_path(path)}: is cut off, or not compressed as its name says")


def first_bytes(path: str, n: int) -> bytes:
    """Up to n decompressed bytes from the start; DamagedFileError if they cannot be read."""
    return next(chunks(path), b"")[:n]


def chunks(path: str) -> Iterator[bytes]:
    """The decompressed bytes in blocks of a megabyte; DamagedFileError if the file is cut off."""
    with open_file(path) as stream:
        while block := read_block(stream, path):
            yield block


def shown_path(path: str) -> str:
    """The path of a file as messages show it."""
    return plain_path(path)


def decompressed(content: bytes, path: str) -> bytes:
    """Decompress the content of a file if it is gzip or bzip2.

    DamagedFileError if it is cut off, or larger than MOST_DECOMPRESSED_BYTES.
    """
    if _compression(content) is None:
        return content
    blocks, n_bytes = [], 0
    for block in decompressed_blocks(content, path):
        n_bytes += len(block)
        if n_bytes > MOST_DECOMPRESSED_BYTES:
            most = f"{MOST_DECOMPRESSED_BYTES >> 30} GiB"
            raise DamagedFileError(
                f"{shown_path(path)}: has more than {most} when it is decompressed, the most that "
                "is read as a whole: check that it is the right file, or give a smaller one"
            )
        blocks.append(block)
    return b"".join(blocks)


def decompressed_blocks(content: bytes, path: str) -> Iterator[bytes]:
    """The same in blocks of a megabyte, however large it is."""
    open_compressed = _compression(content)
    stream = io.BytesIO(content)
    if open_compressed is not None:
        stream = open_compressed(stream)
    try:
        while block := stream.read(_BLOCK_BYTES):
            yield block
    except DECOMPRESSION_ERRORS:
        raise _damaged(path) from None


def _compression(content: bytes) -> Callable[[Any], Any] | None:
    """What opens a file of such content; None if it is not compressed."""
    if content.startswith(b"BZh"):
        return _OPENERS[".bz2"]
    return _OPENERS[".gz"] if content.startswith(b"\x1f\x8b") else None


def binary_format(head: bytes) -> str | None:
    """The format of a file by its first bytes, in words; None if it may be text."""
    if head[:3] == b"BZh" and head[4:10] == b"1AY&SY":
        return "compressed by bzip2"
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
