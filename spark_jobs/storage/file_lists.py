"""Every file at a path, whatever its name holds."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrameReader, SparkSession
from pyspark.sql import functions as F

from spark_jobs.core.errors import InputDataError
from udfs.json_files import plain_path

# Spark's own option: a path is taken as it stands, although it holds [ ] { } * ? or \. Without the
# other one, which finds no partitions and lists each file once, several such paths are read several
# times each (3.5.9).
LITERAL_PATHS = {"__globPaths__": "false", "recursiveFileLookup": "true"}
COMPRESSED = (".gz", ".bz2")
_GLOB = frozenset("[]{}*?\\")


@dataclass(frozen=True)
class ListedFile:
    """A file: its path as Spark takes it with LITERAL_PATHS, bytes, and time.

    `uri`: the same path as `_metadata.file_path` has it. `modified`: microseconds since 1970.
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
        """Whether it is unpacked while it is read."""
        return self.name.endswith(COMPRESSED)


def list_files_at(spark: SparkSession, location: str) -> list[ListedFile]:
    """All files below a folder, in its folders too, or of a file or glob, sorted by path.

    A location that exists as it stands is no glob. Names that begin with _ or . are left out, as
    Spark does everywhere. Raises InputDataError where nothing is there, or a pipe or device.
    """
    listed = _list(_reader(spark).options(**LITERAL_PATHS), location)
    if not listed and _GLOB & set(location):
        listed = _list(_reader(spark), location) or None
    if listed is None:
        raise InputDataError(f"{location}: does not exist")
    _refuse_pipes(listed)
    return sorted(listed, key=lambda file: file.path)


def list_files(spark: SparkSession, uris: Sequence[str]) -> list[ListedFile]:
    """The files that a table is said to be of, sorted by path; InputDataError where one is gone."""
    if not uris:
        return []
    listed = _list(_reader(spark).options(**LITERAL_PATHS), sorted(map(_path, uris)))
    if listed is None:
        raise InputDataError(f"{uris[0]}: does not exist")
    return sorted(listed, key=lambda file: file.path)


def _refuse_pipes(files: Sequence[ListedFile]) -> None:
    """Raise InputDataError for what is opened and then waited for, which has no size."""
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
    except AnalysisException:
        return None
    rows = files.select(
        "path",
        F.col("_metadata.file_path").alias("uri"),
        "length",
        F.unix_micros("modificationTime").alias("modified"),  # the same in each time zone
    ).collect()
    filled = [ListedFile(r.path, r.uri, r.length, str(r.modified)) for r in rows]
    paths = {file.path for file in filled}
    # Spark reads no row of an empty file, but knows it.
    empty = {_path(uri): uri for uri in files.inputFiles()}
    return [*filled, *(ListedFile(p, uri, 0, "") for p, uri in empty.items() if p not in paths)]


def _path(uri: str) -> str:
    return unquote(uri).replace("file:///", "file:/", 1)
