"""Write rows as files that each hold a JSON list, in the tasks that have the rows."""

import json
import os
import uuid
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.fs as pafs

from udfs.arrow import Batches, BatchFunction
from udfs.file_systems import file_system

FILE, ROWS = "file", "rows"


def write_json_lists(folder: str, name: str) -> BatchFunction:
    """The mapInArrow function that writes a file `<folder>/<name>_<chunk>.json` for each chunk.

    Input: column chunk, then the columns of an item, sorted by chunk. An item is the value of one
    column, or a list of the values of several. Files are written atomically, and a repeated task
    writes the same again. Output columns: file, rows.
    """

    def write(batches: Batches) -> Iterator[pa.RecordBatch]:
        written: list[tuple[str, int]] = []
        file: _ListFile | None = None
        for batch in batches:
            chunks, *columns = (column.to_pylist() for column in batch.columns)
            items = columns[0] if len(columns) == 1 else zip(*columns, strict=True)
            for chunk, item in zip(chunks, items, strict=True):
                if file is None or file.chunk != chunk:
                    if file is not None:
                        written.append(file.close())
                    file = _ListFile(folder, f"{name}_{chunk:05}.json", chunk)
                file.add(item)
        if file is not None:
            written.append(file.close())
        names, counts = [name for name, _ in written], [rows for _, rows in written]
        columns = [pa.array(names, pa.string()), pa.array(counts, pa.int64())]
        yield pa.RecordBatch.from_arrays(columns, [FILE, ROWS])

    return write


class _ListFile:
    """A JSON list written item by item, which has its final name only after it is closed."""

    def __init__(self, folder: str, name: str, chunk: int) -> None:
        self.chunk = chunk
        self._name = name
        self._system, path = file_system(folder)
        self._path = f"{path}/{name}"
        # An object store shows a file only once it is closed; on a local disk it is renamed.
        is_local = isinstance(self._system, pafs.LocalFileSystem)
        self._temporary_path = f"{path}/.{name}.{uuid.uuid4().hex}" if is_local else self._path
        self._stream = self._system.open_output_stream(self._temporary_path)
        self._rows = 0

    def add(self, item: object) -> None:
        self._stream.write(("[" if self._rows == 0 else ", ").encode())
        self._stream.write(json.dumps(item).encode())
        self._rows += 1

    def close(self) -> tuple[str, int]:
        self._stream.write(b"]")
        self._stream.close()
        if self._temporary_path != self._path:
            os.replace(self._temporary_path, self._path)
        return self._name, self._rows
