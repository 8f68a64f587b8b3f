"""Write a task's rows as Parquet files of a table, so that they never go back to Spark.

A task tells the files that it has written, and what it counted on the way. Files count only when
the driver commits them, those of successful tries alone.
"""

import json
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pat

from udfs.arrow import Batches, BatchFunction
from udfs.file_statistics import FileStatistics
from udfs.id_counts import COUNT, COUNTS, ID, IDS, KIND, PART, Kind, sum_packed
from udfs.page_checksums import with_page_checksums

FILE = "file"  # column: a file as JSON, null in the rows of counts
FILES_PART = -1  # part of the rows of files, so that one task gets all of them
_GROUP_BYTES = 32 << 20  # of a row group as Arrow data
_FILE_BYTES = 64 << 20  # of a file, which the task holds in memory until it is whole
CODEC = "snappy"  # Spark's
# Without it Spark 3 refuses dates before 1582 and times before 1900, which may be of old calendars.
_METADATA = {"org.apache.spark.version": "3.0.0"}  # whose calendar Arrow's is


def write_and_count(
    folder: str,
    write_id: str,
    columns: Sequence[str],
    pack: BatchFunction,
    *,
    where: str | None = None,
) -> BatchFunction:
    """For mapInArrow: write the rows to files in `folder`, and count them.

    Yields what `pack` does of the rows, columns part, ids, counts, and a row for each file in the
    column file. `columns`: those to write; `pack` gets all. `where`: a column that says whether a
    row is written. `write_id` is part of the files' names.
    """

    def write(batches: Batches) -> Iterator[pa.RecordBatch]:
        files = _TaskFiles(folder, write_id)
        try:
            for packed in pack(_written(batches, files, columns, where)):
                yield _with_file(packed, pa.nulls(packed.num_rows, pa.string()))
            files.close()
        except BaseException:
            files.remove()
            raise
        if files.written:
            n = len(files.written)
            no_counts = [pa.array([FILES_PART] * n, pa.int32()), *[pa.nulls(n, pa.binary())] * 2]
            none = pa.RecordBatch.from_arrays(no_counts, [PART, IDS, COUNTS])
            yield _with_file(none, pa.array(map(json.dumps, files.written), pa.string()))

    return write


def sum_counts_and_files(kinds: Sequence[Kind]) -> BatchFunction:
    """For mapInArrow: rows of `write_and_count`, sorted by part, to kind, id, count and file."""
    return partial(_sum_counts_and_files, kinds=kinds)


def _sum_counts_and_files(batches: Batches, *, kinds: Sequence[Kind]) -> Iterator[pa.RecordBatch]:
    files: list[pa.Array] = []

    def counts() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            is_file = pc.is_valid(batch.column(FILE))
            files.append(batch.column(FILE).filter(is_file))
            yield batch.select([PART, IDS, COUNTS]).filter(pc.invert(is_file))

    for summed in sum_packed(counts(), kinds=kinds):
        yield _with_file(summed, pa.nulls(summed.num_rows, pa.string()))
    file_column = pa.concat_arrays([*files, pa.array([], pa.string())])
    nulls = [pa.nulls(len(file_column), type_) for type_ in (pa.int32(), pa.int64(), pa.int64())]
    yield _with_file(pa.RecordBatch.from_arrays(nulls, [KIND, ID, COUNT]), file_column)


def _written(
    batches: Batches, files: "_TaskFiles", columns: Sequence[str], where: str | None
) -> Batches:
    for batch in batches:
        rows = batch.select(list(columns))
        files.add(rows if where is None else rows.filter(batch.column(where)))
        yield batch


def _with_file(batch: pa.RecordBatch, file: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([*batch, file], [*batch.schema.names, FILE])


class _TaskFiles:
    """The files of one try of a task. `written`: of each its path, size, time and statistics."""

    def __init__(self, folder: str, write_id: str) -> None:
        self._folder, self._name = folder, f"{write_id}-{uuid.uuid4().hex}"
        self._paths: list[str] = []
        self._pending: list[pa.RecordBatch] = []
        self._pending_bytes = 0
        self._writer: pq.ParquetWriter | None = None
        self.written: list[dict[str, Any]] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Add rows; writes them once there are enough for a row group."""
        if not batch.num_rows:
            return
        self._pending.append(batch)
        self._pending_bytes += batch.nbytes
        if self._pending_bytes >= _GROUP_BYTES:
            self._write_group()

    def close(self) -> None:
        """Write what is left."""
        self._write_group()
        self._close_file()

    def remove(self) -> None:
        """Remove the files of a try that failed."""
        for path in self._paths:
            if os.path.exists(path):
                os.unlink(path)

    def _write_group(self) -> None:
        if not self._pending:
            return
        group = _nullable_rows(pa.Table.from_batches(self._pending))
        self._pending, self._pending_bytes = [], 0
        if self._writer is None:
            self._sink = pa.BufferOutputStream()
            self._statistics = FileStatistics(group.schema)
            self._writer = pq.ParquetWriter(
                *(self._sink, group.schema),
                compression=CODEC,
                use_dictionary=_repeating_columns(group),
                write_statistics=_columns_but_floats(group.schema),
                store_schema=False,
            )
        self._statistics.add(group)
        self._writer.write_table(group, row_group_size=group.num_rows)
        if self._sink.tell() >= _FILE_BYTES:
            self._close_file()

    def _close_file(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        content = self._sink.getvalue()
        name = f"part-{len(self._paths):05d}-{self._name}-c000.{CODEC}.parquet"
        path = os.path.join(self._folder, name)
        self._paths.append(path)
        with open(path, "xb") as file:
            file.writelines(with_page_checksums(memoryview(content), _METADATA))
        footer = pq.read_metadata(pa.BufferReader(content))
        self.written.append(
            {
                "path": name,
                "size": os.path.getsize(path),
                "modificationTime": time.time_ns() // 1_000_000,
                "stats": self._statistics.of(footer),
            }
        )


def _nullable_rows(rows: pa.Table) -> pa.Table:
    """The rows with columns as Delta has them: they, and what is nested in them, may be null.

    Spark calls a field of a struct not nullable of which there is none where the struct is null.
    """
    return rows.cast(pa.schema([_nullable(field) for field in rows.schema]))


def _nullable(field: pa.Field) -> pa.Field:
    type_ = field.type
    if pat.is_struct(type_):
        type_ = pa.struct([_nullable(type_.field(k)) for k in range(type_.num_fields)])
    elif pat.is_list(type_):
        type_ = pa.list_(_nullable(type_.value_field))
    elif pat.is_map(type_):
        type_ = pa.map_(type_.key_field, _nullable(type_.item_field))
    return pa.field(field.name, type_)


def _columns_but_floats(schema: pa.Schema) -> list[str]:
    """The columns that may have statistics in the footer, as Parquet names them."""
    sink = pa.BufferOutputStream()
    pq.ParquetWriter(sink, schema).close()
    footer = pq.read_metadata(pa.BufferReader(sink.getvalue()))
    columns = map(footer.schema.column, range(len(footer.schema)))
    return [c.path for c in columns if c.physical_type not in ("FLOAT", "DOUBLE")]


def _repeating_columns(rows: pa.Table) -> list[str]:
    """The columns, as Parquet names them, whose values repeat so that a dictionary is worth it.

    Looks at the first thousand rows. A dictionary that does not fit is work for nothing.
    """
    sample = rows.slice(0, 1000).combine_chunks()
    return [
        path
        for field in sample.schema
        for path, values in _leaves(field.name, field.type, sample[field.name])
        if not pat.is_boolean(values.type) and len(values.unique()) <= max(1, len(values) // 2)
    ]


def _leaves(path: str, type_: pa.DataType, column: pa.ChunkedArray) -> Iterator[tuple[str, Any]]:
    """(path in Parquet, values) of the columns without nesting below a column."""
    if pat.is_map(type_):
        return
    if pat.is_list(type_):
        values = pc.list_flatten(column)
        yield from _leaves(f"{path}.list.element", type_.value_type, values)
    elif pat.is_struct(type_):
        for k in range(type_.num_fields):
            field = type_.field(k)
            values = pc.struct_field(column, [k])
            yield from _leaves(f"{path}.{field.name}", field.type, values)
    else:
        yield path, column
