"""Counts by 64-bit id: packed, so that a shuffle moves arrays, not a row for each id.

A part is a share of all ids. A task packs what it counted into one blob a part, and the task that
is given a part sums its blobs. Or all that a task counted goes to the driver as one text.
"""

import base64
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches

PART, IDS, COUNTS, KIND, ID, COUNT = "part", "ids", "counts", "kind", "id", "count"  # the columns
_PART_BITS = 10
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: neighbours go to different parts
_BUFFERED = 1 << 18  # ids that a task holds before it packs them: blobs of 2 KB


class Kind(NamedTuple):
    """Which ids of a kind are wanted: those counted so often, of each part at `most` so many."""

    at_least: int = 1
    most: int | None = None


class IdPacker:
    """Packs the ids of a task's batches, each of which counts once."""

    def __init__(self, kind: int = 0) -> None:
        self._kind = kind
        self._held: list[NDArray[np.int64]] = []

    def add(self, ids: pa.Int64Array) -> Iterator[pa.RecordBatch]:
        """What is to be handed on by now."""
        self._held.append(ids.to_numpy())
        if sum(map(len, self._held)) >= _BUFFERED:
            yield from self.rest()

    def rest(self) -> Iterator[pa.RecordBatch]:
        """What is left at the end."""
        if self._held:
            yield packed(np.concatenate(self._held), kind=self._kind)
            self._held.clear()


def pack_ids(batches: Batches) -> Iterator[pa.RecordBatch]:
    """part, ids, counts of the int64 ids in the first column, for mapInArrow."""
    packer = IdPacker()
    for batch in batches:
        yield from packer.add(batch.column(0))
    yield from packer.rest()


def packed(
    ids: NDArray[np.int64], counts: NDArray[np.int64] | None = None, *, kind: int = 0
) -> pa.RecordBatch:
    """A row for each part that has ids: part, its ids and their counts as bytes.

    Without `counts` an id counts as often as it stands there. Ids of one `kind` have all counts or
    none; those of different kinds are summed apart.
    """
    part = ((ids.view(np.uint64) * _SPREAD) >> np.uint64(64 - _PART_BITS)).astype(np.uint16)
    order = np.argsort(part, kind="stable")  # a radix sort, for 16 bits
    ends = np.cumsum(np.bincount(part, minlength=1 << _PART_BITS))
    filled = np.flatnonzero(np.diff(ends, prepend=0)).astype(np.int32)
    offsets = np.concatenate([[0], ends[filled]]).astype(np.int32) * 8
    blobs = [_blobs(ids[order], offsets)]
    if counts is None:
        blobs.append(pa.nulls(filled.size, pa.binary()))
    else:
        blobs.append(_blobs(counts[order], offsets))
    parts = pa.array(filled + np.int32(kind << _PART_BITS))
    return pa.RecordBatch.from_arrays([parts, *blobs], [PART, IDS, COUNTS])


def sum_packed(batches: Batches, *, kinds: Sequence[Kind]) -> Iterator[pa.RecordBatch]:
    """kind, id, count of the ids that are wanted, for mapInArrow; rows come ordered by part."""
    for blobs in _by_part(batches):
        number = blobs[PART][0].as_py() >> _PART_BITS
        kind = kinds[number]
        ids, counts = _summed(blobs)
        wanted = np.flatnonzero(counts >= kind.at_least)[: kind.most]
        columns = [np.full(wanted.size, number, np.int32), ids[wanted], counts[wanted]]
        yield pa.RecordBatch.from_arrays(list(map(pa.array, columns)), [KIND, ID, COUNT])


def as_text(ids: NDArray[np.int64], counts: NDArray[np.int64]) -> str:
    """All counts of a task in one line, for an aggregate that joins strings."""
    planes = np.stack([np.diff(ids, prepend=0), counts]).view(np.uint8).reshape(-1, 8).T
    return base64.b64encode(zlib.compress(planes.tobytes(), 1)).decode()


def from_text(text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ids, and how often each was counted."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(8, -1)
    steps, counts = planes.T.copy().view(np.int64).reshape(2, -1)
    return np.cumsum(steps), counts


def _blobs(values: NDArray[np.int64], offsets: NDArray[np.int32]) -> pa.Array:
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(values)]
    return pa.Array.from_buffers(pa.binary(), offsets.size - 1, buffers)


def _by_part(batches: Batches) -> Iterator[pa.Table]:
    """The blobs of one part after another."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        parts = np.asarray(batch.column(PART))
        starts = [0, *(np.flatnonzero(np.diff(parts)) + 1), len(parts)]
        for start, end in pairwise(starts):
            piece = batch.slice(start, end - start)
            if held and piece.num_rows and held[0].column(PART)[0] != piece.column(PART)[0]:
                yield pa.Table.from_batches(held)
                held.clear()
            if piece.num_rows:
                held.append(piece)
    if held:
        yield pa.Table.from_batches(held)


def _summed(blobs: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ids, ascending, and the sum of each one's counts."""
    ids = _joined(blobs[IDS])
    if blobs[COUNTS].null_count:
        ids.sort()
        starts = _first_of_each(ids)
        return ids[starts], np.diff(starts, append=ids.size)
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    starts = _first_of_each(ids)
    return ids[starts], np.add.reduceat(_joined(blobs[COUNTS])[order], starts)


def _joined(blobs: Iterable[pa.BinaryScalar]) -> NDArray[np.int64]:
    return np.frombuffer(bytearray().join(blob.as_buffer() for blob in blobs), np.int64)


def _first_of_each(ascending: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.flatnonzero(np.diff(ascending, prepend=ascending[0] - 1))
