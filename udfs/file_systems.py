"""File systems of paths and addresses, and local files that are written whole or not at all."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pyarrow.fs as pafs

from udfs.stores import open_store


def plain_path(location: str) -> str:
    """A path without the scheme of local files, in either spelling."""
    return location.removeprefix("file://").removeprefix("file:")


def file_system(location: str) -> tuple[pafs.FileSystem, str]:
    """The file system of a path or address, and the path on it; StoreError if there is none."""
    local = plain_path(location)
    return (pafs.LocalFileSystem(), local) if local.startswith("/") else open_store(location)


def write_atomically(file: Path, write: Callable[[str], object]) -> None:
    """Write a temporary file next to `file` and rename it; its mode is that of the umask."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.parent / f".{file.name}.{uuid.uuid4().hex}"
    try:
        write(str(temporary))
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
