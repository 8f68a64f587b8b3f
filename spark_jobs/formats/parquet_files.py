"""Read parquet files of any writer: inspect every footer, then make a part per set of columns."""

from collections.abc import Iterable, Sequence

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import LongType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow_unchecked
from spark_jobs.core.errors import InputDataError
from spark_jobs.formats.folder_columns import file_id, file_ids
from spark_jobs.ingest.source import FILE, Part, Source, part_from_frame, positional_name
from spark_jobs.storage.file_columns import read_footers
from spark_jobs.storage.file_lists import LITERAL_PATHS, ListedFile
from udfs import parquet_files as worker


def read_parquet_files(spark: SparkSession, files: Sequence[ListedFile]) -> Source:
    """Read the rows of all files; their number comes from the footers.

    The columns of files without rows are ignored. Arrow reads the files that Spark cannot: with a
    type or codec unknown to Spark, or with column names that differ only in case. Raises
    InputDataError naming the file if one is not a parquet file.
    """
    looks = read_footers(spark, files)
    damaged = sorted(look[worker.FAULT] for look in looks if look[worker.FAULT])
    if damaged:
        more = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
        raise InputDataError(damaged[0] + more)
    nonempty = [look for look in looks if look[worker.ROWS]] or looks[:1]
    parts = [
        _part_read_by_spark(spark, schema, paths)
        if is_plain
        else _part_read_by_arrow(spark, files, schema, paths)
        for (schema, is_plain), paths in _by_columns(nonempty).items()
    ]
    return Source(parts, n_rows=sum(look[worker.ROWS] for look in looks))


def read_parquet_by_spark(spark: SparkSession, files: Sequence[ListedFile]) -> Source:
    """Read files that Python workers cannot open: Spark's reader merges their schemas."""
    reader = spark.read.options(**LITERAL_PATHS).option("mergeSchema", "true")
    rows = reader.parquet(*(file.path for file in files))
    return Source([part_from_frame(rows, rows.columns, [f.path for f in files], file=file_id())])


def _by_columns(looks: Iterable[Row]) -> dict[tuple[bytes, bool], list[str]]:
    """(schema, whether Spark can read it) -> paths of the files that have it, in order."""
    groups: dict[tuple[bytes, bool], list[str]] = {}
    for look in looks:
        key = (bytes(look[worker.SCHEMA]), look[worker.IS_PLAIN])
        groups.setdefault(key, []).append(look[worker.PATH])
    return groups


def _part_read_by_spark(spark: SparkSession, schema: bytes, paths: Sequence[str]) -> Part:
    names, _ = worker.schema_for_spark(schema)
    rows = spark.read.options(**LITERAL_PATHS).parquet(*paths)
    return part_from_frame(rows, names, paths, file=file_id())


def _part_read_by_arrow(
    spark: SparkSession, files: Sequence[ListedFile], schema: bytes, paths: Sequence[str]
) -> Part:
    names, arrow_schema = worker.schema_for_spark(schema)
    part_paths = set(paths)
    part_files = file_ids(spark, [file for file in files if file.path in part_paths])
    columns = from_arrow_schema(arrow_schema, prefer_timestamp_ntz=True)
    with_file = StructType([*columns, StructField(FILE, LongType())])
    rows: DataFrame = map_in_arrow_unchecked(
        part_files, worker.read_parquet(arrow_schema), with_file
    )
    positional_names = [positional_name(k) for k in range(len(names))]
    frame = rows.toDF(*positional_names, FILE).withColumns(
        {name: F.lit(None).cast("string") for name in ("line", "fault")}
    )
    return Part(frame, tuple(names), tuple(paths))
