"""Write rows as parquet, CSV or JSON lines, in the tasks that have the rows."""

import json
import math
import os
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from udfs.arrow import Batches, BatchFunction
from udfs.file_systems import file_system

PairFormat = Literal["parquet", "csv", "jsonl"]
FILE, ROWS = "file", "rows"
_ROW_GROUP_BYTES = 64 << 20


def write_pair_files(
    folder: str, name: str, format_: PairFormat, columns: Sequence[str], flags: Sequence[str]
) -> BatchFunction:
    """The mapInArrow function that writes a file `<folder>/<name>_<chunk>.<format>` per chunk.

    Input, sorted by chunk: column chunk, a boolean column per flag, then the values of `columns`,
    the files' names of which may be any.
    Files are written atomically, and a repeated task writes the same again. Output: file, rows, and
    for each flag the number of the file's rows for which it is true.
    """

    def write(batches: Batches) -> Iterator[pa.RecordBatch]:
        file: _PairFile | None = None
        for batch in batches:
            for chunk, rows in _by_chunk(batch):
                values = pa.RecordBatch.from_arrays(rows.columns[len(flags) + 1 :], [*columns])
                if file is None or file.chunk != chunk:
                    if file is not None:
                        yield _written(file, flags)
                    file = _PairFile(folder, name, format_, chunk, values.schema, len(flags))
                file.add(values, rows.columns[1 : len(flags) + 1])
        if file is not None:
            yield _written(file, flags)

    return write


def write_empty_file(folder: str, name: str, format_: PairFormat, schema: pa.Schema) -> None:
    """Write the file of a table without rows, which has its columns."""
    _PairFile(folder, name, format_, 0, schema, 0).close()


def _by_chunk(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of each chunk; the first column is the chunk, ascending from 0."""
    chunks = np.asarray(batch.column(0))
    starts = np.flatnonzero(np.diff(chunks, prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(chunks)], strict=True):
        yield int(chunks[start]), batch.slice(start, end - start)


def _written(file: "_PairFile", flags: Sequence[str]) -> pa.RecordBatch:
    """Close the file; the output row of what was written."""
    file.close()
    columns = [pa.array([file.name]), *(pa.array([n], pa.int64()) for n in file.counts)]
    return pa.RecordBatch.from_arrays(columns, [FILE, ROWS, *flags])


class _PairFile:
    """A file written batch by batch, which has its final name only after it is closed.

    `counts`: its rows, then those for which each flag is true.
    """

    def __init__(
        self,
        folder: str,
        name: str,
        format_: PairFormat,
        chunk: int,
        schema: pa.Schema,
        n_flags: int,
    ) -> None:
        self.chunk, self.name = chunk, f"{name}_{chunk:05}.{format_}"
        self.counts = [0] * (n_flags + 1)
        system, path = file_system(folder)
        self._path = f"{path}/{self.name}"
        # An object store shows a file only once it is closed; on a local disk it is renamed.
        is_local = isinstance(system, pafs.LocalFileSystem)
        self._temporary_path = f"{path}/.{self.name}.{uuid.uuid4().hex}" if is_local else self._path
        self._stream = system.open_output_stream(self._temporary_path)
        self._writer = _WRITERS[format_](self._stream, schema)

    def add(self, rows: pa.RecordBatch, flags: Sequence[pa.Array]) -> None:
        self._writer.write(rows)
        added = [rows.num_rows, *(pc.sum(flag).as_py() or 0 for flag in flags)]
        self.counts = [count + more for count, more in zip(self.counts, added, strict=True)]

    def close(self) -> None:
        self._writer.close()
        self._stream.close()
        if self._temporary_path != self._path:
            os.replace(self._temporary_path, self._path)


class _ParquetWriter:
    """Row groups of about 64 MiB: Spark's batches are small, and a reader pays for each group."""

    def __init__(self, stream: pa.NativeFile, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(stream, schema)
        self._schema = schema
        self._batches: list[pa.RecordBatch] = []
        self._bytes = 0

    def write(self, rows: pa.RecordBatch) -> None:
        self._batches.append(rows)
        self._bytes += rows.nbytes
        if self._bytes >= _ROW_GROUP_BYTES:
            self._write_group()

    def close(self) -> None:
        if self._batches:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        self._writer.write_table(pa.Table.from_batches(self._batches, self._schema))
        self._batches, self._bytes = [], 0


class _CsvWriter:
    """RFC 4180: texts in quotes, quotes doubled, null empty; lines end in a line feed."""

    def __init__(self, stream: pa.NativeFile, schema: pa.Schema) -> None:
        self._writer = pacsv.CSVWriter(stream, schema)

    def write(self, rows: pa.RecordBatch) -> None:
        self._writer.write_batch(rows)

    def close(self) -> None:
        self._writer.close()


class _JsonLinesWriter:
    """An object a line, in ASCII: no reader can take a character for the end of a line."""

    def __init__(self, stream: pa.NativeFile, _schema: pa.Schema) -> None:
        self._stream = stream

    def write(self, rows: pa.RecordBatch) -> None:
        names = rows.schema.names
        for row in zip(*(column.to_pylist() for column in rows.columns), strict=True):
            item = dict(zip(names, map(_json_value, row), strict=True))
            self._stream.write(f"{json.dumps(item, allow_nan=False)}\n".encode())

    def close(self) -> None:
        pass


_WRITERS: dict[PairFormat, type[_ParquetWriter] | type[_CsvWriter] | type[_JsonLinesWriter]] = {
    "parquet": _ParquetWriter,
    "csv": _CsvWriter,
    "jsonl": _JsonLinesWriter,
}


def _json_value(value: Any) -> Any:
    """A value that JSON has: NaN and infinities become null, dates and decimals text.

    Maps and bytes, which it has not, are refused before (`formats/pair_files.py`).
    """
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_json_value(item) for item in value]
    if isinstance(value, dict):
        return {name: _json_value(item) for name, item in value.items()}
    return str(value)
