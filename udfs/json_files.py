"""Rows written as files that each hold a JSON list, by the tasks that have them."""

import json
import os
import uuid
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.fs as pafs

from udfs.arrow import Batches, BatchFunction

FILE, ROWS = "file", "rows"


def plain_path(location: str) -> str:
    """A path without the scheme of local files, however it is written."""
    return location.removeprefix("file://").removeprefix("file:")


def file_system(location: str) -> tuple[pafs.FileSystem, str]:
    """The file system of a path or URI, and the path on it; ValueError where there is none."""
    local = plain_path(location)
    if local.startswith("/"):
        return pafs.LocalFileSystem(), local
    try:
        system, path = pafs.FileSystem.from_uri(location)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as fault:
        raise ValueError(f"{location}: no file can be written there ({fault})") from None
    return system, path


def write_json_lists(folder: str, name: str) -> BatchFunction:
    """The function of mapInArrow: rows chunk, then the item's columns, sorted by chunk.

    A file `<folder>/<name>_<chunk>.json` for each chunk, of one column's values or of lists of
    several. A file is there whole or not at all, and a task that is repeated writes the same
    again. Gives file, rows.
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
    """A JSON list that grows item by item, under its name only once it is closed."""

    def __init__(self, folder: str, name: str, chunk: int) -> None:
        self.chunk = chunk
        self._name = name
        self._system, path = file_system(folder)
        self._path = f"{path}/{name}"
        # An object store shows a file only when it is closed; on a disk it is moved into place.
        is_local = isinstance(self._system, pafs.LocalFileSystem)
        self._open = f"{path}/.{name}.{uuid.uuid4().hex}" if is_local else self._path
        self._stream = self._system.open_output_stream(self._open)
        self._rows = 0

    def add(self, item: object) -> None:
        self._stream.write(("[" if self._rows == 0 else ", ").encode())
        self._stream.write(json.dumps(item).encode())
        self._rows += 1

    def close(self) -> tuple[str, int]:
        self._stream.write(b"]")
        self._stream.close()
        if self._open != self._path:
            os.replace(self._open, self._path)
        return self._name, self._rows
