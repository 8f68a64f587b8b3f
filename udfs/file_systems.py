"""File systems of paths and addresses, and local files that are written whole or not at all."""

import os
import re
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

import pyarrow.fs as pafs

from udfs.stores import open_store, place_of

# Folders of Databricks that all machines of a cluster see: volumes, and DBFS where it is mounted.
VOLUMES, DBFS = "/Volumes/", "/dbfs/"
_DBFS = re.compile("dbfs:/+")


def plain_path(location: str) -> str:
    """A path without the scheme of local files, in either spelling; that at which dbfs: lies."""
    if in_dbfs := _DBFS.match(location):
        path = f"/{location[in_dbfs.end() :]}"
        return path if path.startswith(VOLUMES) else f"{DBFS}{path[1:]}"
    return location.removeprefix("file://").removeprefix("file:")


def spark_location(path: str) -> str:
    """How Spark names a path of this machine; what Databricks mounts has names of its own."""
    if path.startswith(DBFS):
        return f"dbfs:/{path.removeprefix(DBFS)}"
    return path if path.startswith(VOLUMES) else f"file:{path}"


def file_system(location: str) -> tuple[pafs.FileSystem, str]:
    """The file system of a path or address, and the path on it; StoreError if there is none."""
    local = plain_path(location)
    return (pafs.LocalFileSystem(), local) if local.startswith("/") else open_store(location)


def has_file_system(location: str) -> bool:
    """Whether driver and workers can open a path or address, as Spark can."""
    try:
        file_system(location)
    except (ValueError, OSError):  # pyarrow does not know the store, or lacks its library
        return False
    return True


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
