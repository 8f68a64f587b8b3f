"""File systems of paths and addresses, and local files that are written whole or not at all."""

import os
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

import pyarrow.fs as pafs

from udfs.stores import open_store, place_of


def plain_path(location: str) -> str:
    """A path without the scheme of local files, in either spelling."""
    return location.removeprefix("file://").removeprefix("file:")


def file_system(location: str) -> tuple[pafs.FileSystem, str]:
    """The file system of a path or address, and the path on it; StoreError if there is none."""
    local = plain_path(location)
    return (pafs.LocalFileSystem(), local) if local.startswith("/") else open_store(location)


def write_atomically(location: str | Path, write: Callable[[str], object]) -> None:
    """Write a temporary file and rename it, or copy it to a store; its mode is that of the umask.

    `write` gets the path of a local file.
    """
    if place_of(str(location)) is None:
        _write_and_rename(Path(plain_path(str(location))), write)
        return
    system, path = file_system(str(location))
    with tempfile.TemporaryDirectory(prefix="captionlake-") as folder:
        temporary = os.path.join(folder, "file")
        write(temporary)
        pafs.copy_files(
            temporary, path, source_filesystem=pafs.LocalFileSystem(), destination_filesystem=system
        )


def move_file(source: str, target: str) -> None:
    """Give a file another address in the same file system."""
    system, path = file_system(source)
    system.move(path, file_system(target)[1])


def _write_and_rename(file: Path, write: Callable[[str], object]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.parent / f".{file.name}.{uuid.uuid4().hex}"
    try:
        write(str(temporary))
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
