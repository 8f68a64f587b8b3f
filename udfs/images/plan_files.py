"""Write the rows that shards shall have, in the tasks that have the rows."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from udfs.arrow import Batches, BatchFunction
from udfs.file_systems import write_atomically
from udfs.images.shard_files import PLANNED, shard_file

SHARD = "shard"


def write_planned_shards(folder: str) -> BatchFunction:
    """The mapInArrow function that writes a file of rows for each shard.

    Input: column shard, then the rows' columns, sorted by shard. A repeated task writes the same
    again. Output column: shard.
    """

    def write(batches: Batches) -> Iterator[pa.RecordBatch]:
        shards: list[int] = []
        for shard, table in _tables_by_shard(batches):
            file = shard_file(folder, PLANNED, shard)
            write_atomically(file, lambda path, table=table: pq.write_table(table, path))  # type: ignore[misc]
            shards.append(shard)
        yield pa.RecordBatch.from_arrays([pa.array(shards, pa.int32())], [SHARD])

    return write


def _tables_by_shard(batches: Batches) -> Iterator[tuple[int, pa.Table]]:
    """(shard, its rows without the column shard) for rows sorted by shard."""
    pending: list[pa.RecordBatch] = []
    current: int | None = None
    for batch in batches:
        start, shards = 0, batch.column(0).to_pylist()
        for position, shard in enumerate([*shards[1:], None], start=1):
            if shard == shards[start]:
                continue
            part = batch.slice(start, position - start)
            if pending and shards[start] != current:
                yield current, _without_shard(pending)  # type: ignore[misc]
                pending = []
            current = shards[start]
            pending.append(part)
            start = position
    if pending:
        yield current, _without_shard(pending)  # type: ignore[misc]


def _without_shard(batches: list[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches(batches).drop_columns([SHARD])
