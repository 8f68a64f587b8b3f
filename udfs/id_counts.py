"""Counts by 64-bit id, packed so that a shuffle moves arrays instead of a row for each id.

All ids are divided into parts by their hash. A task packs its counts into one blob per part; after
the shuffle a task sums the blobs of each of its parts.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches

PART, IDS, COUNTS, KIND, ID, COUNT = "part", "ids", "counts", "kind", "id", "count"  # the columns
PART_BITS = 10
HASH_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: spreads consecutive ids
_BUFFERED_IDS = 1 << 18  # ids that a task collects before it packs them: blobs of 2 KB


class Kind(NamedTuple):
    """Which ids of a kind to keep: those with a count of `at_least`, at `most` so many per part."""

    at_least: int = 1
    most: int | None = None


class IdPacker:
    """Packs the ids of a task's batches; each occurrence counts once."""

    def __init__(self, kind: int = 0) -> None:
        self._kind = kind
        self._buffer: list[NDArray[np.int64]] = []

    def add(self, ids: pa.Int64Array) -> Iterator[pa.RecordBatch]:
        """Add ids; when the buffer is full, yields its ids packed, and empties it."""
        self._buffer.append(ids.to_numpy())
        if sum(map(len, self._buffer)) >= _BUFFERED_IDS:
            yield from self.flush()

    def flush(self) -> Iterator[pa.RecordBatch]:
        """Yield the ids in the buffer packed, without summing them, and empty it."""
        if self._buffer:
            yield pack_counts(np.concatenate(self._buffer), kind=self._kind)
            self._buffer.clear()


def pack_ids(batches: Batches) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: pack the int64 ids in the first column to columns part, ids, counts."""
    packer = IdPacker()
    for batch in batches:
        yield from packer.add(batch.column(0))
    yield from packer.flush()


def pack_counts(
    ids: NDArray[np.int64], counts: NDArray[np.int64] | None = None, *, kind: int = 0
) -> pa.RecordBatch:
    """Pack counts to a row for each part that has ids: part, and ids and counts as bytes.

    Without `counts` each occurrence of an id counts once. Ids of different `kind` are summed
    separately; of one kind, either all batches have counts or none has.
    """
    part = ((ids.view(np.uint64) * HASH_FACTOR) >> np.uint64(64 - PART_BITS)).astype(np.uint16)
    order = np.argsort(part, kind="stable")  # for 16 bits numpy takes a radix sort
    ends = np.cumsum(np.bincount(part, minlength=1 << PART_BITS))
    non_empty = np.flatnonzero(np.diff(ends, prepend=0)).astype(np.int32)
    offsets = np.concatenate([[0], ends[non_empty]]).astype(np.int32) * 8
    blobs = [_blobs(ids[order], offsets)]
    if counts is None:
        blobs.append(pa.nulls(non_empty.size, pa.binary()))
    else:
        blobs.append(_blobs(counts[order], offsets))
    parts = pa.array(non_empty + np.int32(kind << PART_BITS))
    return pa.RecordBatch.from_arrays([parts, *blobs], [PART, IDS, COUNTS])


def sum_packed(batches: Batches, *, kinds: Sequence[Kind]) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: sum packed counts, sorted by part, to columns kind, id, count."""
    for blobs in blobs_by_part(batches):
        number = blobs[PART][0].as_py() >> PART_BITS
        kind = kinds[number]
        ids, counts = _sum_blobs(blobs)
        kept = np.flatnonzero(counts >= kind.at_least)[: kind.most]
        columns = [np.full(kept.size, number, np.int32), ids[kept], counts[kept]]
        yield pa.RecordBatch.from_arrays(list(map(pa.array, columns)), [KIND, ID, COUNT])


def _blobs(values: NDArray[np.int64], offsets: NDArray[np.int32]) -> pa.Array:
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(values)]
    return pa.Array.from_buffers(pa.binary(), offsets.size - 1, buffers)


def blobs_by_part(batches: Batches) -> Iterator[pa.Table]:
    """Group the rows by part: one table per part."""
    pieces: list[pa.RecordBatch] = []
    for batch in batches:
        parts = np.asarray(batch.column(PART))
        starts = [0, *(np.flatnonzero(np.diff(parts)) + 1), len(parts)]
        for start, end in pairwise(starts):
            piece = batch.slice(start, end - start)
            if pieces and piece.num_rows and pieces[0].column(PART)[0] != piece.column(PART)[0]:
                yield pa.Table.from_batches(pieces)
                pieces.clear()
            if piece.num_rows:
                pieces.append(piece)
    if pieces:
        yield pa.Table.from_batches(pieces)


def _sum_blobs(blobs: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct ids, ascending, and the sum of the counts of each."""
    ids = concatenated(blobs[IDS])
    if blobs[COUNTS].null_count:
        ids.sort()
        starts = _first_of_each(ids)
        return ids[starts], np.diff(starts, append=ids.size)
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    starts = _first_of_each(ids)
    return ids[starts], np.add.reduceat(concatenated(blobs[COUNTS])[order], starts)


def concatenated(blobs: Iterable[pa.BinaryScalar]) -> NDArray[np.int64]:
    """The numbers of all blobs, one blob after the other."""
    return np.frombuffer(bytearray().join(blob.as_buffer() for blob in blobs), np.int64)


def _first_of_each(ascending: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.flatnonzero(np.diff(ascending, prepend=ascending[0] - 1))
