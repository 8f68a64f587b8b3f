"""Write the rows that shards shall have, in the tasks that have the rows."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from udfs.arrow import Batches, BatchFunction
from udfs.file_systems import write_atomically
from udfs.images.shard_files import PLANNED, read_shard, shard_file

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


def planned_rows(folder: str) -> BatchFunction:
    """The mapInArrow function from shards' numbers to shard, uid and url of their rows."""

    def read(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for shard in batch.column(0).to_pylist():
                rows = read_shard(folder, shard).select(["uid", "url"])
                number = pa.array([shard] * rows.num_rows, pa.int32())
                yield from rows.add_column(0, SHARD, number).combine_chunks().to_batches()

    return read


def keep_planned_rows(folder: str) -> BatchFunction:
    """The mapInArrow function that leaves only these rows, by uid, in the files of shards.

    Input: shard and uid, sorted by shard. Output column: shard.
    """

    def keep(batches: Batches) -> Iterator[pa.RecordBatch]:
        shards: list[int] = []
        for shard, kept in _tables_by_shard(batches):
            rows = read_shard(folder, shard)
            left = rows.filter(pc.is_in(rows["uid"], kept["uid"].combine_chunks()))
            file = shard_file(folder, PLANNED, shard)
            write_atomically(file, lambda path, left=left: pq.write_table(left, path))  # type: ignore[misc]
            shards.append(shard)
        yield pa.RecordBatch.from_arrays([pa.array(shards, pa.int32())], [SHARD])

    return keep


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
