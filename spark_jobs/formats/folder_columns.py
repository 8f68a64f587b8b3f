"""Columns from folders named name=value (Hive partitions), for files of any format."""

from collections.abc import Sequence
from urllib.parse import unquote

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.core.columns import named
from spark_jobs.ingest.source import FAULT, FILE, LINE, Part, positional_name
from spark_jobs.storage.file_lists import ListedFile
from udfs.file_systems import plain_path

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
_GLOB_CHARACTERS = frozenset("[]{}*?")
_URI = "_uri"


def folder_values(files: Sequence[ListedFile], location: str) -> dict[str, dict[str, str | None]]:
    """Path -> column -> value, from the name=value folders between location (or glob) and file."""
    root = _folder_before_glob(location)
    return {file.path: _hive_values(file.path, root) for file in files}


def with_folder_columns(
    spark: SparkSession, part: Part, files: Sequence[ListedFile], location: str
) -> Part:
    """Add a string column for each folder name; a column of the files of that name stays instead.

    The part's frame has FILE, the hash of each row's file uri; the returned one has not.
    """
    values = folder_values(files, location)
    file_columns = {name.lower() for name in part.names}
    names = [name for name in _folder_names(values) if name.lower() not in file_columns]
    if not names:
        return part.without_file()
    temporary_names = [f"_folder_{k}" for k in range(len(names))]
    schema = StructType([StructField(name, StringType()) for name in (_URI, *temporary_names)])
    rows = [(f.uri, *(values[f.path].get(name) for name in names)) for f in files]
    table = spark.createDataFrame(rows, schema).withColumn(FILE, F.xxhash64(_URI)).drop(_URI)
    joined = part.frame.join(F.broadcast(table), on=FILE, how="left")
    with_values = Part(joined, part.names, part.files, part.as_stored).with_columns(
        {name: named(column) for name, column in zip(names, temporary_names, strict=True)}
    )
    positional_names = [positional_name(k) for k in range(len(with_values.names))]
    frame = with_values.frame.select(*positional_names, LINE, FAULT)
    return Part(frame, with_values.names, part.files, part.as_stored)


def shadowed_folders(
    parts: Sequence[Part], files: Sequence[ListedFile], location: str
) -> list[str]:
    """Notes on folders whose name is also a column of the files, which takes precedence."""
    file_columns = {name.lower() for part in parts for name in part.names}
    folder_names = _folder_names(folder_values(files, location))
    names = [name for name in folder_names if name.lower() in file_columns]
    return [f"folders called {name}=... are no column where files have one" for name in names]


def _folder_names(values: dict[str, dict[str, str | None]]) -> list[str]:
    """The distinct names, in order of first occurrence."""
    return list(dict.fromkeys(name for file_values in values.values() for name in file_values))


def file_id() -> Column:
    """Value of FILE for rows that Spark reads from files: the hash of the file's uri."""
    return F.xxhash64("_metadata.file_path")


def file_ids(spark: SparkSession, files: Sequence[ListedFile]) -> DataFrame:
    """Rows of path and FILE, one per file, spread over tasks."""
    schema = StructType([StructField("path", StringType()), StructField(_URI, StringType())])
    frame = spark.createDataFrame([(file.path, file.uri) for file in files], schema)
    partitioned = frame.repartition(min(len(files), 10_000), "path")
    return partitioned.select("path", F.xxhash64(_URI).alias(FILE))


def _folder_before_glob(location: str) -> str:
    """The leading folders of a location that hold no glob, without the scheme of local files."""
    path = plain_path(location)
    plain_segments = []
    for segment in path.split("/"):
        if _GLOB_CHARACTERS & set(segment):
            break
        plain_segments.append(segment)
    return "/".join(plain_segments)


def _hive_values(path: str, root: str) -> dict[str, str | None]:
    relative_path = path.removeprefix("file:").removeprefix(root)
    values: dict[str, str | None] = {}
    for folder in relative_path.split("/")[:-1]:
        name, equals, value = folder.partition("=")
        if equals and name:
            values[unquote(name)] = None if value == _HIVE_NULL else unquote(value)
    return values
