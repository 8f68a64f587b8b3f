"""Rows packed into blobs, so that Spark shuffles and keeps one row where there were hundreds.

A row costs Spark more than its bytes: it is copied to columns and back, hashed and sorted.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import one_batch

# Of a blob, unless a single row has more: Spark may put 10,000 of them into a batch.
_BLOB_BYTES = 16 << 10
_AT_ONCE = 1 << 20  # bytes of blobs whose rows are read as one batch


def blob_starts(row_bytes: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n_blobs + 1,): the first row of each blob, and the number of rows."""
    ends = np.cumsum(row_bytes)
    starts = [0]
    while starts[-1] < ends.size:
        before = ends[starts[-1] - 1] if starts[-1] else 0
        end = int(np.searchsorted(ends, before + _BLOB_BYTES, "right"))
        starts.append(max(end, starts[-1] + 1))
    return np.array(starts, np.int64)


def pack_rows(rows: pa.RecordBatch, starts: NDArray[np.int64]) -> pa.Array:
    """A blob of each range of rows: a message of Arrow's, without the schema."""
    pairs = zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    messages = [rows.slice(start, end - start).serialize() for start, end in pairs]
    offsets = np.concatenate([[0], np.cumsum([len(message) for message in messages])])
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(b"".join(messages))]
    return pa.Array.from_buffers(pa.binary(), len(messages), buffers)


def unpacked_rows(blobs: Iterable[pa.BinaryArray], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of blobs in batches of some size; a null has none."""
    pending: list[pa.RecordBatch] = []
    n_bytes = 0
    for array in blobs:
        for blob in array.drop_null():
            message = blob.as_buffer()
            pending.append(pa.ipc.read_record_batch(message, schema))
            n_bytes += len(message)
            if n_bytes >= _AT_ONCE:
                yield one_batch(pending)
                pending, n_bytes = [], 0
    if pending:
        yield one_batch(pending)
