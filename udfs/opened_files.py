"""Files opened in workers: local ones and those of the stores that pyarrow knows."""

import bz2
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from udfs.json_files import file_system, plain_path

# Those that Spark unpacks too.
_OPENERS: dict[str, Callable[[Any], Any]] = {".gz": gzip.open, ".bz2": bz2.open}
# What a file begins with -> what it is, whatever its name says.
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
# What unpacking raises: gzip and bz2 each have their own.
COMPRESSED = (OSError, EOFError, zlib.error)


class DamagedFileError(ValueError):
    """A file that cannot be read to its end; the message names it."""


def open_file(path: str) -> Any:
    """A binary file, unpacked where its name ends in .gz or .bz2.

    Raises ValueError where no worker can open such a path.
    """
    system, place = file_system(path)
    stream = system.open_input_file(place)
    for suffix, unpacked in _OPENERS.items():
        if path.endswith(suffix):
            return unpacked(stream)
    return io.BufferedReader(stream)


def read_block(stream: Any, path: str, n: int = 1 << 20) -> bytes:
    """The next bytes of an opened file; DamagedFileError where they cannot be unpacked."""
    try:
        block: bytes = stream.read(n)
    except COMPRESSED as fault:
        raise damaged(path, fault) from None
    return block


def damaged(path: str, fault: Exception) -> Exception:
    """The fault of unpacking a file, by its name; of a file that is not packed the fault itself."""
    if not path.endswith(tuple(_OPENERS)):
        return fault
    return DamagedFileError(f"{shown(path)}: is cut off, or not compressed as its name says")


def first_bytes(path: str, n: int) -> bytes:
    """About n bytes from the start, unpacked; DamagedFileError where they cannot be."""
    return next(chunks(path), b"")[:n]


def chunks(path: str) -> Iterator[bytes]:
    """The unpacked bytes, a megabyte at a time; DamagedFileError where the file ends too soon."""
    with open_file(path) as stream:
        while block := read_block(stream, path):
            yield block


def shown(path: str) -> str:
    """How messages call a file."""
    return plain_path(path)


def unpacked(content: bytes) -> bytes:
    """The content of a file, compressed or not."""
    if content.startswith(b"BZh"):
        return bz2.decompress(content)
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def what_it_is(head: bytes) -> str | None:
    """What a file is by its first bytes, where these are not those of text."""
    if head[:3] == b"BZh" and head[4:10] == b"1AY&SY":
        return "compressed by bzip2"
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
