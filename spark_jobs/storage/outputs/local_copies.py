"""Folders of a store as local ones, for programs that open files by their paths."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.fs as pafs

from spark_jobs.storage.outputs.folder_marks import visible_files_in
from udfs.file_systems import file_system


@contextmanager
def local_copy(folder: str) -> Iterator[Path]:
    """Yield a folder as a local path: itself, or a copy whose changes go back to the store.

    The copy takes as much of the local disk as the folder has bytes. After a fault nothing goes
    back.
    """
    system, path = file_system(folder)
    local = pafs.LocalFileSystem()
    if isinstance(system, pafs.LocalFileSystem):
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="captionlake-") as copy:
        pafs.copy_files(path, copy, source_filesystem=system, destination_filesystem=local)
        before = set(visible_files_in(copy))
        yield Path(copy)
        pafs.copy_files(copy, path, source_filesystem=local, destination_filesystem=system)
        for name in before - set(visible_files_in(copy)):
            system.delete_file(f"{path}/{name}")
