"""Counts by 64-bit id: packed, so that a shuffle moves arrays, not a row for each id.

A part is a share of all ids. A task packs what it counted into one blob a part, and the task that
is given a part sums its blobs. Or all that a task counted goes to the driver as one text.
"""

import base64
import zlib
from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches

PART, IDS, COUNTS, ID, COUNT = "part", "ids", "counts", "id", "count"  # the columns
_PART_BITS = 10
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: neighbours go to different parts
_BUFFERED = 1 << 18  # ids that a task holds before it packs them: blobs of 2 KB


def pack_ids(batches: Batches) -> Iterator[pa.RecordBatch]:
    """part, ids of the int64 ids in the first column, for mapInArrow; each counts once."""
    held: list[NDArray[np.int64]] = []
    for batch in batches:
        held.append(batch.column(0).to_numpy())
        if sum(map(len, held)) >= _BUFFERED:
            yield packed(np.concatenate(held))
            held.clear()
    if held:
        yield packed(np.concatenate(held))


def packed(ids: NDArray[np.int64], counts: NDArray[np.int64] | None = None) -> pa.RecordBatch:
    """A row for each part that has ids: part, its ids and their counts as bytes.

    Without `counts` an id counts as often as it stands there.
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
    return pa.RecordBatch.from_arrays([pa.array(filled), *blobs], [PART, IDS, COUNTS])


def sum_packed(batches: Batches, *, at_least: int) -> Iterator[pa.RecordBatch]:
    """id, count of each id that was counted so often, for mapInArrow; rows come ordered by part."""
    for blobs in _by_part(batches):
        ids, counts = _summed(blobs)
        enough = counts >= at_least
        columns = [pa.array(ids[enough]), pa.array(counts[enough])]
        yield pa.RecordBatch.from_arrays(columns, [ID, COUNT])


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
