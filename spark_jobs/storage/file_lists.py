"""List the files at a path, including names with glob characters."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from pyspark.sql import DataFrameReader, SparkSession
from pyspark.sql import functions as F

from spark_jobs.core.errors import InputDataError
from spark_jobs.storage.faults.causes import condition_of
from spark_jobs.storage.faults.spark import SPARK_FAULTS
from spark_jobs.storage.local_files import plain_files_at
from spark_jobs.storage.session import reads_local_paths
from udfs.file_systems import plain_path

# `__globPaths__` is an internal Spark option: read a path literally although it contains [ ] { } *
# ? or \. Without `recursiveFileLookup`, which turns off partition discovery, Spark 3.5.9 reads each
# of several such paths several times.
LITERAL_PATHS = {"__globPaths__": "false", "recursiveFileLookup": "true"}
COMPRESSED = (".gz", ".bz2")
_GLOB = frozenset("[]{}*?\\")


@dataclass(frozen=True)
class ListedFile:
    """A file in a listing.

    `path`: for reads with LITERAL_PATHS. `uri`: the same path as in `_metadata.file_path`. `size`:
    bytes. `modified`: microseconds since 1970, empty for an empty file.
    """

    path: str
    uri: str
    size: int
    modified: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def is_compressed(self) -> bool:
        """Whether it is decompressed while being read."""
        return self.name.endswith(COMPRESSED)


def list_files_at(spark: SparkSession, location: str) -> list[ListedFile]:
    """All files of a folder, recursively, or of a file or glob, sorted by path.

    A location that exists literally is not read as a glob. Names that begin with _ or . are left
    out, as everywhere in Spark. Raises InputDataError if nothing is there, or a pipe or device.
    """
    listed = _list_here(location) if reads_local_paths() else None
    if listed is not None:
        return listed
    listed = _list(_reader(spark).options(**LITERAL_PATHS), location)
    if not listed and _GLOB & set(location):
        listed = _list(_reader(spark), location) or None
    if listed is None:
        raise InputDataError(f"{location}: does not exist")
    _refuse_pipes(listed)
    return sorted(listed, key=lambda file: file.path)


def _list_here(location: str) -> list[ListedFile] | None:
    """The files without asking Spark; None if only Spark can say which they are."""
    try:
        files = plain_files_at(location)
    except FileNotFoundError:
        raise InputDataError(f"{location}: does not exist") from None
    return None if files is None else [ListedFile(*file) for file in files]


def list_files(spark: SparkSession, uris: Sequence[str]) -> list[ListedFile]:
    """The files with these URIs, sorted by path; InputDataError if one does not exist."""
    if not uris:
        return []
    listed = _list(_reader(spark).options(**LITERAL_PATHS), sorted(map(_path, uris)))
    if listed is None:
        raise InputDataError(f"{uris[0]}: does not exist")
    return sorted(listed, key=lambda file: file.path)


def _refuse_pipes(files: Sequence[ListedFile]) -> None:
    """Raise InputDataError for a pipe or device, which a read may wait for without end."""
    for file in files:
        local = plain_path(file.path)
        is_local = local.startswith("/") and os.path.exists(local)
        if not file.size and is_local and not stat.S_ISREG(os.stat(local).st_mode):
            raise InputDataError(f"{local}: is a pipe or device, expected a file; remove it")


def _reader(spark: SparkSession) -> DataFrameReader:
    return spark.read.format("binaryFile").option("recursiveFileLookup", "true")


def _list(reader: DataFrameReader, location: str | list[str]) -> list[ListedFile] | None:
    try:
        files = reader.load(location)
        _ = files.schema  # Spark Connect looks for the files only now
    except SPARK_FAULTS as fault:
        if condition_of(fault) != "PATH_NOT_FOUND":
            raise
        return None
    rows = files.select(
        "path",
        F.col("_metadata.file_path").alias("uri"),
        "length",
        F.unix_micros("modificationTime").alias("modified"),  # independent of the time zone
    ).collect()
    nonempty = [ListedFile(r.path, r.uri, r.length, str(r.modified)) for r in rows]
    nonempty_paths = {file.path for file in nonempty}
    # Spark has no row for an empty file, but lists it among the input files.
    uris = {_path(uri): uri for uri in files.inputFiles()}
    empty = [ListedFile(p, uri, 0, "") for p, uri in uris.items() if p not in nonempty_paths]
    return [*nonempty, *empty]


def _path(uri: str) -> str:
    return unquote(uri).replace("file:///", "file:/", 1)
