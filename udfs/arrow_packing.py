"""Record batches serialised to bytes, so that they fit in one column."""

from collections.abc import Iterator

import pyarrow as pa

from udfs.arrow import Batches


def serialised(batches: Batches) -> Iterator[pa.RecordBatch]:
    """Serialise each batch to one row of a column `batch`: the bytes of an Arrow IPC stream."""
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        serialised_batch = pa.array([sink.getvalue().to_pybytes()], pa.binary())
        yield pa.RecordBatch.from_arrays([serialised_batch], ["batch"])
