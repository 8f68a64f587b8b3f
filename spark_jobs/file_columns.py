"""The columns of each parquet file of a table that others wrote, by its footer.

Spark takes the columns of one file for those of all: where another lacks one, its rows are null
there without a word.
"""

from collections.abc import Sequence

from pyspark.sql import Row, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import BinaryType, BooleanType, LongType, StringType, StructField, StructType

from spark_jobs.arrow_mapping import map_as_stored
from spark_jobs.errors import InputDataError, MissingColumnError
from spark_jobs.file_lists import ListedFile
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


def look_at_footers(spark: SparkSession, files: Sequence[ListedFile]) -> list[Row]:
    """Path, schema, is_plain, rows and fault of each file, read in tasks, in the order of paths."""
    paths = spark.createDataFrame([(f.path,) for f in files], StructType(_FOOTERS.fields[:1]))
    spread = paths.repartition(min(len(files), _MOST_TASKS), worker.PATH)
    looks = map_as_stored(spread, worker.look_at_footers, _FOOTERS).collect()
    return sorted(looks, key=lambda look: look[worker.PATH])


def refuse_other_columns(
    spark: SparkSession, files: Sequence[ListedFile], needed: StructType
) -> None:
    """Check that each file with rows has the `needed` columns that others have, of their types.

    A column that no file has is of its folder's name. Raises MissingColumnError or InputDataError
    with file and column. A file that workers cannot open is left to Spark.
    """
    types = {
        look[worker.PATH]: _types(bytes(look[worker.SCHEMA]))
        for look in look_at_footers(spark, files)
        if look[worker.ROWS]
    }
    for field in needed:
        if any(field.name in of_file for of_file in types.values()):
            for path, of_file in types.items():
                _check(path, of_file, field)


def _check(path: str, types: dict[str, str], field: StructField) -> None:
    kind, expected = types.get(field.name), field.dataType.simpleString()
    if kind is None:
        raise MissingColumnError(
            f"file {path}: has no column {field.name!r}, which other files of the table have; "
            f"it has {', '.join(types)}"
        )
    if kind != expected:
        raise InputDataError(f"file {path}: column {field.name!r} is {kind}, expected {expected}")


def _types(content: bytes) -> dict[str, str]:
    """Column -> Spark's type, of those that Spark has a type for."""
    names, schema = worker.schema_for_spark(content)
    kinds = from_arrow_schema(schema, prefer_timestamp_ntz=True)
    return {name: kind.dataType.simpleString() for name, kind in zip(names, kinds, strict=True)}
