"""Answers as they come, on disk at once: a run that is killed has asked nothing in vain.

A try of a task writes `<part>-<task>-<try>.jsonl`, a line for each answer. On a local disk a line
is there once it is written; a store has no appending, and Databricks uploads a file of a volume or
DBFS when it is closed, so each file there has some seconds' lines.
"""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import pyarrow.fs as pafs

from udfs.file_systems import DBFS, VOLUMES, file_system

JOURNAL = "_journal"  # hidden from readers of the folder
END = "_end"  # the last field of a line, which one that was cut off lacks
_STORE_INTERVAL_S = 2.0
_SUFFIX = ".jsonl"


class Journal:
    """The file, or the files, that one try of a task writes."""

    def __init__(self, folder: str, part: str, task: int) -> None:
        self._system, path = file_system(f"{folder}/{JOURNAL}")
        self._system.create_dir(path, recursive=True)
        self._name = f"{path}/{_prefix(part, task)}{uuid.uuid4().hex[:8]}"
        is_mounted = path.startswith((VOLUMES, DBFS))
        self._appends = isinstance(self._system, pafs.LocalFileSystem) and not is_mounted
        self._local: Any = None
        self._lines: list[bytes] = []
        self._n_files, self._written_s = 0, time.monotonic()

    def __enter__(self) -> Self:
        if self._appends:
            self._local = open(f"{self._name}{_SUFFIX}", "ab", buffering=0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._local is not None:
            self._local.close()
        self._write_file()

    def add(self, row: Mapping[str, Any]) -> None:
        """Write a row; once this has returned, the end of this process does not lose it."""
        line = json.dumps({**row, END: True}).encode() + b"\n"  # ASCII, so no other line ends
        if self._local is not None:
            self._local.write(line)
            return
        self._lines.append(line)
        if time.monotonic() - self._written_s >= _STORE_INTERVAL_S:
            self._write_file()

    def _write_file(self) -> None:
        if self._lines:
            with self._system.open_output_stream(
                f"{self._name}-{self._n_files:06}{_SUFFIX}"
            ) as file:
                file.write(b"".join(self._lines))
            self._n_files += 1
        self._lines, self._written_s = [], time.monotonic()


def journal_files(folder: str) -> dict[str, int]:
    """The addresses of all files of the journal, sorted, with their sizes in bytes."""
    system, path = file_system(f"{folder}/{JOURNAL}")
    files = system.get_file_info(pafs.FileSelector(path, allow_not_found=True))
    sizes = {file.base_name: file.size for file in files if file.base_name.endswith(_SUFFIX)}
    return {f"{folder}/{JOURNAL}/{name}": sizes[name] for name in sorted(sizes)}


def rows_of_task(folder: str, part: str, task: int) -> Iterator[dict[str, Any]]:
    """The rows that earlier tries of a task have written."""
    for location in journal_files(folder):
        if location.rpartition("/")[2].startswith(_prefix(part, task)):
            system, path = file_system(location)
            with system.open_input_stream(path) as file:
                lines = file.read().split(b"\n")
            for line in lines[:-1]:  # what follows the last line end was cut off
                row: dict[str, Any] = json.loads(line)
                yield row


def remove_files(folder: str, read: Mapping[str, int]) -> None:
    """Remove files that have the size that they had when they were read.

    A task that still runs, such as a copy that the driver has given up, may have added to others.
    """
    sizes = journal_files(folder)
    for location, size in read.items():
        if sizes.get(location) == size:
            system, path = file_system(location)
            system.delete_file(path)


def _prefix(part: str, task: int) -> str:
    return f"{part}-{task:05}-"
