"""The columns of each parquet file of a table that others wrote, by its footer.

Spark takes the columns of one file for those of all: where another lacks one, its rows are null
there without a word.
"""

from collections.abc import Sequence
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

_MOST_TASKS = 10_000
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
    """Path, schema, is_plain, rows and fault of each file, read in tasks, in the order of paths."""
    paths = spark.createDataFrame([(f.path,) for f in files], StructType(_FOOTERS.fields[:1]))
    spread = paths.repartition(min(len(files), _MOST_TASKS), worker.PATH)
    looks = map_in_arrow_unchecked(spread, worker.look_at_footers, _FOOTERS).collect()
    return sorted(looks, key=lambda look: look[worker.PATH])


def refuse_other_columns(
    spark: SparkSession, files: Sequence[ListedFile], needed: StructType
) -> None:
    """Check that each file with rows has the `needed` columns that others have, of their types.

    A column that no file has is of its folder's name. Raises MissingColumnError or InputDataError
    with file and column. A file that workers cannot open is left to Spark.
    """
    schemas = _schemas(spark, tuple(files))
    for field in needed:
        kinds = {path: _type_of(field.name, schema) for path, schema in schemas.items()}
        if any(kind is not None for kind in kinds.values()):
            for path, kind in kinds.items():
                _check(path, kind, schemas[path].names, field)


@lru_cache(maxsize=8)  # a run reads a table more than once
def _schemas(spark: SparkSession, files: tuple[ListedFile, ...]) -> dict[str, pa.Schema]:
    """The schema of each file with rows; of files of the same sizes and times the same again."""
    return {
        look[worker.PATH]: pa.ipc.read_schema(pa.py_buffer(look[worker.SCHEMA]))
        for look in read_footers(spark, files)
        if look[worker.ROWS]
    }


def _check(path: str, kind: str | None, names: list[str], field: StructField) -> None:
    expected = field.dataType.simpleString()
    if kind is None:
        raise MissingColumnError(
            f"file {path}: has no column {field.name!r}, which other files of the table have; "
            f"it has {', '.join(names)}"
        )
    if kind != expected:
        raise InputDataError(f"file {path}: column {field.name!r} is {kind}, expected {expected}")


def _type_of(name: str, schema: pa.Schema) -> str | None:
    """Spark's type of a column, whatever the case of its name; Arrow's where Spark has none."""
    kinds = [column.type for column in schema if column.name.lower() == name.lower()]
    if not kinds:
        return None
    kind = worker.type_for_spark(kinds[0])
    try:
        return str(from_arrow_type(kind, prefer_timestamp_ntz=True).simpleString())
    except PySparkTypeError:
        return str(kind)
