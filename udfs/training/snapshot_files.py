"""Write the parquet files of a snapshot, with row groups of one size, and note what was written."""

import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from udfs.arrow import Batches, BatchFunction
from udfs.file_systems import file_system
from udfs.training.manifest import (
    FOLDER,
    MANIFEST,
    Manifest,
    SnapshotFile,
    describe_file,
    read_footer,
    schema_digest,
    type_name,
)

Notes: TypeAlias = Mapping[str, str]
_MOST_GROUP_BYTES = 64 << 20  # after which a row group ends, whatever its rows
WRITTEN = "file"  # column of what tasks return: a SnapshotFile as JSON


def write_snapshot_files(
    folder: str, names: Sequence[str], row_group_rows: int, notes: Notes
) -> BatchFunction:
    """The mapInArrow function that writes `<folder>/data/rows-<number>.parquet` for each number.

    Input, sorted by number: column number, then the values of the columns `names`. Row groups have
    `row_group_rows` rows, or fewer of 64 MB, but for the last of a file; `notes` go into the schema
    of each. Files are written atomically, and a repeated task writes the same again. Output: a row
    per file, the JSON of its SnapshotFile.
    """

    def write(batches: Batches) -> Iterator[pa.RecordBatch]:
        file: _SnapshotWriter | None = None
        for batch in batches:
            for number, rows in _by_number(batch):
                if file is None or file.number != number:
                    if file is not None:
                        yield _row_of(file.close())
                    schema = schema_of(names, [column.type for column in rows.columns[1:]], notes)
                    file = _SnapshotWriter(folder, number, schema, row_group_rows)
                file.add(rows.columns[1:])
        if file is not None:
            yield _row_of(file.close())

    return write


def schema_of(names: Sequence[str], types: Sequence[pa.DataType], notes: Notes) -> pa.Schema:
    """The schema of a snapshot's files, in which any value may be null."""
    fields = [pa.field(name, type_) for name, type_ in zip(names, types, strict=True)]
    return pa.schema(fields, metadata=dict(notes) or None)


def file_of_row(text: str) -> SnapshotFile:
    """The SnapshotFile of a row that a task returned."""
    return SnapshotFile(**json.loads(text))


def write_empty_file(folder: str, schema: pa.Schema) -> SnapshotFile:
    """Write the file of a table without rows, which has its columns."""
    return _SnapshotWriter(folder, 0, schema, 1).close()


def manifest_of(
    files: Iterable[SnapshotFile],
    schema: pa.Schema,
    *,
    source: str,
    version: str,
    row_group_rows: int,
) -> Manifest:
    """The manifest of these files, in the order of their names."""
    ordered = sorted(files, key=lambda file: file.name)
    return Manifest(
        source=source,
        version=version,
        schema_digest=schema_digest(schema),
        columns={field.name: type_name(field.type) for field in schema},
        rows=sum(sum(file.row_groups) for file in ordered),
        row_group_rows=row_group_rows,
        files=ordered,
    )


def write_snapshot(
    folder: str, tables: Iterable[pa.Table], *, row_group_rows: int, version: str = "local"
) -> Manifest:
    """Write a snapshot of Arrow tables of one schema, a file each, without Spark."""
    files: list[SnapshotFile] = []
    schema = pa.schema([])
    for number, table in enumerate(tables):
        schema = schema if files else schema_of(table.schema.names, table.schema.types, {})
        writer = _SnapshotWriter(folder, number, schema, row_group_rows)
        for batch in table.cast(schema).to_batches():
            writer.add(batch.columns)
        files.append(writer.close())
    manifest = manifest_of(
        files, schema, source=folder, version=version, row_group_rows=row_group_rows
    )
    system, path = file_system(f"{folder}/{MANIFEST}")
    with system.open_output_stream(path) as stream:
        stream.write(manifest.as_json())
    return manifest


def _by_number(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of each number; the first column is the number, ascending from 0."""
    numbers = np.asarray(batch.column(0))
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True):
        yield int(numbers[start]), batch.slice(start, end - start)


def _row_of(file: SnapshotFile) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([json.dumps(asdict(file))])], [WRITTEN])


class _SnapshotWriter:
    """A file written batch by batch, which has its final name only after it is closed."""

    def __init__(self, folder: str, number: int, schema: pa.Schema, row_group_rows: int) -> None:
        self.number, self._name = number, f"{FOLDER}/rows-{number:05}.parquet"
        self._schema, self._row_group_rows = schema, row_group_rows
        self._batches: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0
        self._list_nulls = {field.name: 0 for field in schema if pa.types.is_list(field.type)}
        system, path = file_system(folder)
        self._system, self._path = system, f"{path}/{self._name}"
        system.create_dir(self._path.rpartition("/")[0], recursive=True)
        # An object store shows a file only once it is closed; on a local disk it is renamed.
        # Beside the folder of the files, which moves as one with all that is in it.
        is_local = isinstance(system, pafs.LocalFileSystem)
        self._temporary_path = f"{path}/.{uuid.uuid4().hex}" if is_local else self._path
        self._stream = _DigestedStream(system.open_output_stream(self._temporary_path))
        self._writer = pq.ParquetWriter(pa.PythonFile(self._stream, mode="w"), schema)

    def add(self, columns: Sequence[pa.Array]) -> None:
        rows = pa.RecordBatch.from_arrays([*columns], schema=self._schema)
        for name in self._list_nulls:
            lists = rows.column(name)
            self._list_nulls[name] += lists.null_count + lists.flatten().null_count
        self._batches.append(rows)
        self._rows += rows.num_rows
        self._bytes += rows.nbytes
        if self._rows >= self._row_group_rows:
            whole = self._rows - self._rows % self._row_group_rows
            table = pa.Table.from_batches(self._batches, self._schema)
            self._writer.write_table(table.slice(0, whole), row_group_size=self._row_group_rows)
            self._batches = table.slice(whole).to_batches()
            self._rows, self._bytes = self._rows - whole, table.slice(whole).nbytes
        elif self._bytes >= _MOST_GROUP_BYTES:
            self._writer.write_table(pa.Table.from_batches(self._batches, self._schema))
            self._batches, self._rows, self._bytes = [], 0, 0

    def close(self) -> SnapshotFile:
        if self._rows:
            table = pa.Table.from_batches(self._batches, self._schema)
            self._writer.write_table(table, row_group_size=self._row_group_rows)
        self._writer.close()
        self._stream.close()
        with self._system.open_input_file(self._temporary_path) as written:
            footer = read_footer(written, self._stream.size)
        if self._temporary_path != self._path:
            os.replace(self._temporary_path, self._path)
        digest, size = self._stream.digest.hexdigest(), self._stream.size
        return describe_file(self._name, digest, size, footer, self._list_nulls)


class _DigestedStream:
    """Passes bytes on to a stream, with their SHA-256 and number."""

    closed = False

    def __init__(self, stream: Any) -> None:
        self._stream, self.digest = stream, hashlib.sha256()
        self.size = 0

    def write(self, content: Any) -> int:
        self._stream.write(content)
        self.digest.update(content)
        self.size += len(content)
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            self.closed = True
