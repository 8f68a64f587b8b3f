"""Columns that folders called name=value stand for (Hive's partitions), for files of any format."""

from collections.abc import Sequence
from urllib.parse import unquote

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.core.columns import named
from spark_jobs.ingest.source import FAULT, FILE, LINE, Part, position
from spark_jobs.storage.file_lists import ListedFile
from udfs.json_files import plain_path

_NULL = "__HIVE_DEFAULT_PARTITION__"
_GLOB = frozenset("[]{}*?")
_URI = "_uri"


def folder_values(files: Sequence[ListedFile], location: str) -> dict[str, dict[str, str | None]]:
    """Path -> name -> value of the folders of a file below the location, or below its glob."""
    root = _fixed_folder(location)
    return {file.path: _values(file.path, root) for file in files}


def with_folder_columns(
    spark: SparkSession, part: Part, files: Sequence[ListedFile], location: str
) -> Part:
    """The part with a column of text for each folder name; the part itself where there is none.

    A column of the files stays, although folders are called by its name. The part's frame has FILE,
    the hash of each row's uri; afterwards it has not.
    """
    values = folder_values(files, location)
    own = {name.lower() for name in part.names}
    names = [name for name in _names(values) if name.lower() not in own]
    if not names:
        return part.without_file()
    added = [f"_folder_{k}" for k in range(len(names))]
    schema = StructType([StructField(name, StringType()) for name in (_URI, *added)])
    rows = [(f.uri, *(values[f.path].get(name) for name in names)) for f in files]
    table = spark.createDataFrame(rows, schema).withColumn(FILE, F.xxhash64(_URI)).drop(_URI)
    joined = part.frame.join(F.broadcast(table), on=FILE, how="left")
    with_values = Part(joined, part.names, part.files, part.as_stored).with_columns(
        {name: named(column) for name, column in zip(names, added, strict=True)}
    )
    places = [position(k) for k in range(len(with_values.names))]
    frame = with_values.frame.select(*places, LINE, FAULT)
    return Part(frame, with_values.names, part.files, part.as_stored)


def shadowed_folders(
    parts: Sequence[Part], files: Sequence[ListedFile], location: str
) -> list[str]:
    """What is to be said of folders that are called by a column of the files."""
    own = {name.lower() for part in parts for name in part.names}
    names = [name for name in _names(folder_values(files, location)) if name.lower() in own]
    return [f"folders called {name}=... are no column where files have one" for name in names]


def _names(values: dict[str, dict[str, str | None]]) -> list[str]:
    return list(dict.fromkeys(name for of_file in values.values() for name in of_file))


def file_id() -> Column:
    """FILE of rows that Spark reads from files."""
    return F.xxhash64("_metadata.file_path")


def file_ids(spark: SparkSession, files: Sequence[ListedFile]) -> DataFrame:
    """Path and FILE of each file, spread over tasks."""
    schema = StructType([StructField("path", StringType()), StructField(_URI, StringType())])
    frame = spark.createDataFrame([(file.path, file.uri) for file in files], schema)
    spread = frame.repartition(min(len(files), 10_000), "path")
    return spread.select("path", F.xxhash64(_URI).alias(FILE))


def _fixed_folder(location: str) -> str:
    """The part of a location that is no pattern, without a scheme of local files."""
    path = plain_path(location)
    fixed = []
    for segment in path.split("/"):
        if _GLOB & set(segment):
            break
        fixed.append(segment)
    return "/".join(fixed)


def _values(path: str, root: str) -> dict[str, str | None]:
    below = path.removeprefix("file:").removeprefix(root)
    values: dict[str, str | None] = {}
    for folder in below.split("/")[:-1]:
        name, equals, value = folder.partition("=")
        if equals and name:
            values[unquote(name)] = None if value == _NULL else unquote(value)
    return values
