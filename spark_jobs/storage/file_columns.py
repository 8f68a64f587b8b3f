"""Check the columns of each parquet file in a folder, from its footer.

Spark takes the schema of one file for all: a column that another file lacks is silently null in its
rows.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

import pyarrow as pa
from pyspark.errors import PySparkTypeError
from pyspark.sql import Row, SparkSession
from pyspark.sql.pandas.types import from_arrow_type
from pyspark.sql.types import BinaryType, BooleanType, LongType, StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow_unchecked
from spark_jobs.core.errors import InputDataError, MissingColumnError
from spark_jobs.storage.file_lists import ListedFile
from udfs import parquet_files as worker

_log = logging.getLogger(__name__)
_MAX_TASKS = 10_000
_FOOTERS = StructType(
    [
        StructField(worker.PATH, StringType()),
        StructField(worker.SCHEMA, BinaryType()),
        StructField(worker.IS_PLAIN, BooleanType()),
        StructField(worker.ROWS, LongType()),
        StructField(worker.FAULT, StringType()),
    ]
)


def read_footers(spark: SparkSession, files: Sequence[ListedFile]) -> list[Row]:
    """A row per file: path, schema, is_plain, rows and fault, read in tasks, sorted by path."""
    paths = spark.createDataFrame([(f.path,) for f in files], StructType(_FOOTERS.fields[:1]))
    spread_paths = paths.repartition(min(len(files), _MAX_TASKS), worker.PATH)
    footers = map_in_arrow_unchecked(spread_paths, worker.look_at_footers, _FOOTERS).collect()
    return sorted(footers, key=lambda footer: footer[worker.PATH])


def refuse_other_columns(
    spark: SparkSession, files: Sequence[ListedFile], needed: StructType
) -> None:
    """Raise an error if a file with rows lacks a `needed` column or has it in another type.

    A column that no file has is left out: it comes from folder names (`column=value`). Raises
    MissingColumnError or InputDataError with file and column. Files that workers cannot open are
    not checked; Spark reports them when it reads them. Warns of a further column that only some
    files have, which Spark may not read.
    """
    schemas = _schemas(spark, tuple(files))
    _warn_of_columns_of_some(schemas)
    for field in needed:
        types = {path: _type_name(field.name, schema) for path, schema in schemas.items()}
        if any(type_name is not None for type_name in types.values()):
            for path, type_name in types.items():
                _check(path, type_name, schemas[path].names, field)


def _warn_of_columns_of_some(schemas: Mapping[str, pa.Schema]) -> None:
    n_files = Counter(name.lower() for schema in schemas.values() for name in schema.names)
    names = sorted(name for name, n in n_files.items() if n < len(schemas))
    if names:
        path = next(p for p, s in schemas.items() if names[0] in map(str.lower, s.names))
        _log.warning(
            "file %s: has the column %r, which not all of the %d files of the table have; Spark "
            "reads the columns of one file: ingest-captions unites files of different columns",
            *(path, names[0], len(schemas)),
        )


@lru_cache(maxsize=8)  # a run reads a table more than once
def _schemas(spark: SparkSession, files: tuple[ListedFile, ...]) -> dict[str, pa.Schema]:
    """Path -> schema of each file with rows; cached by the files' sizes and times."""
    return {
        footer[worker.PATH]: pa.ipc.read_schema(pa.py_buffer(footer[worker.SCHEMA]))
        for footer in read_footers(spark, files)
        if footer[worker.ROWS]
    }


def _check(path: str, type_name: str | None, names: list[str], field: StructField) -> None:
    expected = field.dataType.simpleString()
    if type_name is None:
        raise MissingColumnError(
            f"file {path}: has no column {field.name!r}, which other files of the table have; "
            f"it has {', '.join(names)}"
        )
    if type_name != expected:
        raise InputDataError(
            f"file {path}: column {field.name!r} is {type_name}, expected {expected}"
        )


def _type_name(name: str, schema: pa.Schema) -> str | None:
    """Spark's type of a column, ignoring the case of its name; Arrow's type if Spark has none."""
    arrow_types = [column.type for column in schema if column.name.lower() == name.lower()]
    if not arrow_types:
        return None
    arrow_type = worker.type_for_spark(arrow_types[0])
    try:
        return str(from_arrow_type(arrow_type, prefer_timestamp_ntz=True).simpleString())
    except PySparkTypeError:
        return str(arrow_type)
