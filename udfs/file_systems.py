"""File systems of paths and URIs, and local files that are written whole or not at all."""

import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs

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
    """The file system of a path or URI, and the path on it; ValueError if pyarrow has none."""
    local = plain_path(location)
    if local.startswith("/"):
        return pafs.LocalFileSystem(), local
    try:
        system, path = pafs.FileSystem.from_uri(location)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as fault:
        raise ValueError(f"{location}: no file can be written there ({fault})") from None
    return system, path


def write_atomically(file: Path, write: Callable[[str], object]) -> None:
    """Write a temporary file next to `file` and rename it; its mode is that of the umask."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.parent / f".{file.name}.{uuid.uuid4().hex}"
    try:
        write(str(temporary))
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
