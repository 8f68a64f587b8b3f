"""Write rows as files that each hold a JSON list, in the tasks that have the rows."""

import json
import os
import uuid
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs

from udfs.arrow import Batches, BatchFunction
from udfs.file_systems import file_system

FILE, ROWS = "file", "rows"


class Layout(NamedTuple):
    """The text before, between and behind the items of a list."""

    opening: str = "["
    between: str = ", "
    closing: str = "]"


# As Python's json module writes a list of texts with indent=2.
INDENTED = Layout("[\n  ", ",\n  ", "\n]")


def write_json_lists(folder: str, name: str, layout: Layout | None = None) -> BatchFunction:
    """The mapInArrow function that writes a file for each chunk, `name.format(chunk)`.

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
                    file = _ListFile(folder, name.format(chunk), chunk, layout or Layout())
                file.add(item)
        if file is not None:
            written.append(file.close())
        names, counts = [name for name, _ in written], [rows for _, rows in written]
        columns = [pa.array(names, pa.string()), pa.array(counts, pa.int64())]
        yield pa.RecordBatch.from_arrays(columns, [FILE, ROWS])

    return write


class _ListFile:
    """A JSON list written item by item, which has its final name only after it is closed."""

    def __init__(self, folder: str, name: str, chunk: int, layout: Layout) -> None:
        self.chunk = chunk
        self._name, self._layout = name, layout
        self._system, path = file_system(folder)
        self._path = f"{path}/{name}"
        # An object store shows a file only once it is closed; on a local disk it is renamed.
        is_local = isinstance(self._system, pafs.LocalFileSystem)
        self._temporary_path = f"{path}/.{name}.{uuid.uuid4().hex}" if is_local else self._path
        self._stream = self._system.open_output_stream(self._temporary_path)
        self._rows = 0

    def add(self, item: object) -> None:
        self._stream.write(self._layout[min(self._rows, 1)].encode())
        self._stream.write(json.dumps(item).encode())
        self._rows += 1

    def close(self) -> tuple[str, int]:
        self._stream.write(self._layout.closing.encode())
        self._stream.close()
        if self._temporary_path != self._path:
            os.replace(self._temporary_path, self._path)
        return self._name, self._rows
