"""Write samples as webdataset shards: tar files with an image, its text and its JSON for each."""

import itertools
import os
import tarfile
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs

from udfs.arrow import Batches, BatchFunction
from udfs.file_systems import file_system
from udfs.images.image_formats import HEAD_BYTES, image_format
from udfs.task_errors import TaskInputError

# Formats that open_clip's loader takes; it passes over samples with another, without an error.
EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
SHARD, PLACE, IMAGE, TEXT, RECORD = "shard", "place", "image", "text", "record"
NAME, ROWS, BYTES = "name", "rows", "bytes"
_BLOCK = tarfile.BLOCKSIZE
_BUFFER_BYTES = 1 << 20
_SIZE, _CHECKSUM = slice(124, 136), slice(148, 156)


def shard_name(number: int, n_shards: int) -> str:
    """00000.tar and so on; with more digits where 100,000 are not enough."""
    return f"{number:0{max(5, len(str(n_shards - 1)))}}.tar"


def write_shards(folder: str, n_shards: int) -> BatchFunction:
    """The mapInArrow function that writes `<folder>/<shard>.tar` for each shard.

    Input, sorted by shard: shard, place (the sample's number, of which its key is made), image,
    text, record (JSON). Image bytes are written as they are, with the extension of their format.
    Nothing of a file depends on when it is written, files have their names once they are whole, and
    a repeated task writes the same again. Output: name, rows, bytes.
    """

    def write(batches: Batches) -> Iterator[pa.RecordBatch]:
        shard: _Shard | None = None
        for batch in batches:
            numbers, places = (batch.column(name).to_pylist() for name in (SHARD, PLACE))
            contents = zip(
                *(_values(batch.column(name)) for name in (IMAGE, TEXT, RECORD)), strict=True
            )
            for number, place, (image, text, record) in zip(numbers, places, contents, strict=True):
                if shard is None or shard.number != number:
                    if shard is not None:
                        yield shard.close()
                    shard = _Shard(folder, number, n_shards)
                shard.add(f"{place:09}", image, text, record)
        if shard is not None:
            yield shard.close()

    return write


def _values(column: pa.Array) -> Iterator[memoryview]:
    """The bytes of each value, which are not copied."""
    _, offset_buffer, data_buffer = column.buffers()
    if data_buffer is None:
        yield from (memoryview(b"") for _ in range(len(column)))
        return
    is_large = column.type in (pa.large_string(), pa.large_binary())
    offsets = np.frombuffer(offset_buffer, np.int64 if is_large else np.int32)
    ends = offsets[column.offset : column.offset + len(column) + 1].tolist()
    data = memoryview(data_buffer)
    for start, end in itertools.pairwise(ends):
        yield data[start:end]


class _Shard:
    """A tar file written member by member, which has its name only after it is closed."""

    def __init__(self, folder: str, number: int, n_shards: int) -> None:
        self.number, self._name = number, shard_name(number, n_shards)
        self._rows = self._bytes = 0
        system, path = file_system(folder)
        self._path = f"{path}/{self._name}"
        # An object store shows a file only once it is closed; on a local disk it is renamed.
        self._is_local = isinstance(system, pafs.LocalFileSystem)
        self._temporary_path = f"{path}/.{self._name}.{uuid.uuid4().hex}"
        self._stream: Any
        if self._is_local:
            self._stream = open(self._temporary_path, "wb", buffering=_BUFFER_BYTES)  # noqa: SIM115
        else:
            self._stream = system.open_output_stream(self._path)

    def add(self, key: str, image: memoryview, text: memoryview, record: memoryview) -> None:
        extension = EXTENSIONS.get(image_format(bytes(image[:HEAD_BYTES])) or "")
        if extension is None:
            raise TaskInputError(f"the image of sample {key} is no JPEG, PNG or WebP")
        for suffix, content in ((extension, image), ("txt", text), ("json", record)):
            self._write(_header(f"{key}.{suffix}", len(content)))
            self._write(content)
            if padding := -len(content) % _BLOCK:
                self._write(_ZEROS[:padding])
        self._rows += 1

    def close(self) -> pa.RecordBatch:
        self._write(bytes(2 * _BLOCK))
        self._write(bytes(-self._bytes % tarfile.RECORDSIZE))
        self._stream.close()
        if self._is_local:
            os.replace(self._temporary_path, self._path)
        numbers = (pa.array([number], pa.int64()) for number in (self._rows, self._bytes))
        return pa.RecordBatch.from_arrays([pa.array([self._name]), *numbers], [NAME, ROWS, BYTES])

    def _write(self, content: bytes | memoryview) -> None:
        self._stream.write(content)
        self._bytes += len(content)


def _header_of_all() -> bytes:
    """A header of a file without name, size and time; its checksum counts as spaces."""
    header = bytearray(tarfile.TarInfo("").tobuf(tarfile.USTAR_FORMAT))
    header[_SIZE], header[_CHECKSUM] = bytes(12), b" " * 8
    return bytes(header)


_ZEROS = bytes(_BLOCK)
_HEADER = _header_of_all()
_SUM = sum(_HEADER)


def _header(name: str, size: int) -> bytes:
    """The header of a member, as tarfile writes it with the time 0; a name has up to 100 bytes."""
    if size >= 8**11:
        raise ValueError(f"{name}: {size:,} bytes, more than a member of a tar can have")
    ascii_name, octal_size = name.encode("ascii"), b"%011o\0" % size
    checksum = b"%06o\0 " % (_SUM + sum(ascii_name) + sum(octal_size))
    return b"".join(
        (
            ascii_name,
            _HEADER[len(ascii_name) : 124],
            octal_size,
            _HEADER[136:148],
            checksum,
            _HEADER[156:],
        )
    )
