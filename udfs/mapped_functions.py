"""Functions whose arrays lie in files, which all workers of a machine map, not in their pickles.

A pickle of protocol 5 hands arrays over apart from the rest, so this works for any function,
whatever it refers to. A map is copy-on-write: shared until written. (A read-only one would make
numba compile each kernel anew.)
"""

import hashlib
import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from udfs.arrow import Batches, BatchFunction

_ALIGNMENT = 64  # bytes: of the largest vector registers
_PROTOCOL = 5  # of pickle: the first with buffers


class MappedFileError(OSError):
    """A file that is not what the driver wrote, such as one cut off."""


@dataclass(frozen=True)
class Layout:
    """A file of several parts: its name, and the bytes of each part."""

    name: str
    sizes: tuple[int, ...]

    @property
    def starts(self) -> list[int]:
        """Where each part begins, and where the file ends."""
        starts = [0]
        for size in self.sizes:
            starts.append(starts[-1] + size + -size % _ALIGNMENT)
        return starts

    def mapped_parts(self) -> list[memoryview]:
        """The parts, writable; what is written stays in this process.

        Raises MappedFileError if the file is not of this size.
        """
        from pyspark import SparkFiles

        path, expected = SparkFiles.get(self.name), self.starts[-1]
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != expected:
                raise MappedFileError(f"{path}: has {size:,} bytes, expected {expected:,}")
            view = memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY))
        return [view[s : s + n] for s, n in zip(self.starts, self.sizes, strict=False)]


@dataclass(frozen=True)
class File:
    """A file to be written: named by its content, so that equal ones are sent once."""

    layout: Layout
    parts: Sequence[memoryview]

    @classmethod
    def of(cls, parts: Sequence[memoryview]) -> "File":
        """The file of these parts, of which nothing is copied."""
        digest = hashlib.sha256()
        for piece in _padded(parts):
            digest.update(piece)
        sizes = tuple(part.nbytes for part in parts)
        return cls(Layout(f"captionlake-{digest.hexdigest()}", sizes), parts)

    def write(self, path: Path) -> None:
        """Write it, whatever stands there."""
        with path.open("wb") as file:
            for piece in _padded(self.parts):
                file.write(piece)


def _padded(parts: Sequence[memoryview]) -> Iterator[memoryview | bytes]:
    for part in parts:
        yield part
        yield bytes(-part.nbytes % _ALIGNMENT)


@dataclass(frozen=True)
class MappedFunction:
    """For mapInArrow: a function that is unpickled from files of the machine that it runs on.

    files: the first holds the pickle and all small arrays, each other one a large array. is_large:
    for each array, in the order of the pickle. digest: of the pickle, since one runs what it holds.
    """

    files: tuple[Layout, ...]
    is_large: tuple[bool, ...]
    digest: str

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        """What the function gives for the batches of a task."""
        return self.unpickled()(batches)

    def unpickled(self) -> BatchFunction:
        """The function, whose arrays are maps of the files.

        Raises MappedFileError if a file is not what the driver wrote.
        """
        from pyspark import cloudpickle

        (pickled, *small_arrays), *others = (file.mapped_parts() for file in self.files)
        if hashlib.sha256(pickled).hexdigest() != self.digest:
            raise MappedFileError(f"{self.files[0].name}: has other bytes than the driver wrote")
        small, large = iter(small_arrays), (array for [array] in others)
        buffers = [next(large if is_large else small) for is_large in self.is_large]
        function: BatchFunction = cloudpickle.loads(pickled, buffers=buffers)
        return function


def mapped_function(
    function: BatchFunction, most_bytes: int
) -> tuple[BatchFunction, Sequence[File]]:
    """The function that stands for `function`, and the files that it maps on workers.

    Without files, and the same function, if its pickle has at most most_bytes with all arrays. An
    array of more has a file of its own, so that functions with the same bank share it.
    """
    from pyspark import cloudpickle

    buffers: list[Any] = []
    dumps: Any = cloudpickle.dumps  # type: ignore[attr-defined]
    pickled = dumps(function, protocol=_PROTOCOL, buffer_callback=buffers.append)
    arrays = [buffer.raw() for buffer in buffers]
    if len(pickled) + sum(array.nbytes for array in arrays) <= most_bytes:
        return function, []
    is_large = tuple(array.nbytes > most_bytes for array in arrays)
    small = [array for array, large in zip(arrays, is_large, strict=True) if not large]
    large = [array for array in arrays if array.nbytes > most_bytes]
    files = [File.of(parts) for parts in ([memoryview(pickled), *small], *([a] for a in large))]
    digest = hashlib.sha256(pickled).hexdigest()
    return MappedFunction(tuple(file.layout for file in files), is_large, digest), files
