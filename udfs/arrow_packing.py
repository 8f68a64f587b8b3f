"""Batches as bytes, to travel in a column."""

from collections.abc import Iterator

import pyarrow as pa

from udfs.arrow import Batches


def serialised(batches: Batches) -> Iterator[pa.RecordBatch]:
    """Each batch as a row of one column `batch`: the bytes of an Arrow stream that holds it."""
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        packed = pa.array([sink.getvalue().to_pybytes()], pa.binary())
        yield pa.RecordBatch.from_arrays([packed], ["batch"])
