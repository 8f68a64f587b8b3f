"""Folders of plain files that runs add to: what is there stays as it is."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import OutputTableError
from spark_jobs.storage.outputs.folder_marks import write_growing_mark
from spark_jobs.storage.outputs.folder_swap import CONTENT, check_folder
from spark_jobs.storage.outputs.staging import locked
from spark_jobs.storage.outputs.writers import WRITER
from udfs.file_systems import file_system
from udfs.stores import place_of


@contextmanager
def growing_folder(address: str, metadata: Mapping[str, Any], *, content: str) -> Iterator[str]:
    """The folder, made if it is not there, which no other run adds to meanwhile.

    `content`: the kind of its files, for which see `check_folder`, as for the errors. The folder
    counts as the run's once the context has ended without an error.
    """
    check_folder(address, content)
    folder = parse_address(address).location
    if place_of(folder) is not None:
        WRITER.claim([folder])
    system, path = file_system(folder)
    mark = {**metadata, CONTENT: content}
    with _faults_of(folder):
        system.create_dir(path, recursive=True)
    with locked(system, path, without_locks=True) as is_free:
        if not is_free:
            raise OutputTableError(f"output {folder}: another program is adding files to it")
        with _faults_of(folder):
            write_growing_mark(folder, mark, is_whole=False)
        yield folder
        with _faults_of(folder):
            write_growing_mark(folder, mark, is_whole=True)


@contextmanager
def _faults_of(folder: str) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise OutputTableError(f"output {folder}: cannot be written ({fault})") from None
