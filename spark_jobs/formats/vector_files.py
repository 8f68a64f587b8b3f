"""Read embeddings from files, and write them to files, in Spark tasks."""

from collections.abc import Callable, Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, LongType, StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import EMBEDDING, EMBEDDINGS, FAULT, ITEM_HASH, MODEL, UID, WEIGHTS
from spark_jobs.core.task_files import rows_by_task
from udfs.embedding_files import (
    METADATA,
    NUMBER,
    ROWS,
    VECTORS,
    dimension_of,
    read_files,
    read_uids,
    write_files,
)
from udfs.file_systems import move_file
from udfs.task_errors import TaskInputError

_UID_COLUMNS = StructType([StructField(UID, StringType())])
_READ_COLUMNS = StructType([*_UID_COLUMNS.fields, EMBEDDINGS[EMBEDDING], EMBEDDINGS[FAULT]])
_WRITTEN_COLUMNS = StructType([StructField(NUMBER, IntegerType()), StructField(ROWS, LongType())])


def read(
    spark: SparkSession,
    pairs: Sequence[tuple[str, str]],
    *,
    array: str | None,
    uid_column: str,
    model: str,
    weights: str,
) -> DataFrame:
    """Read uid and schemas.EMBEDDINGS from pairs (file of vectors, file of metadata), a task each.

    All vectors must have the dimension of those in the first file.
    """
    try:
        dimension = dimension_of(pairs[0][0], array)
    except TaskInputError as fault:
        raise InputDataError(str(fault)) from None
    rows = map_in_arrow(
        _pairs_frame(spark, pairs), read_files(array, uid_column, dimension), _READ_COLUMNS
    )
    constants = {
        MODEL: F.lit(model), WEIGHTS: F.lit(weights), ITEM_HASH: F.lit(None).cast("long")
    }  # fmt: skip
    return rows.withColumns(constants).select(UID, *EMBEDDINGS.names)


def read_keys(
    spark: SparkSession, pairs: Sequence[tuple[str, str]], *, uid_column: str
) -> DataFrame:
    """Read the uids alone, one for each row that `read` gives."""
    return map_in_arrow(_pairs_frame(spark, pairs), read_uids(uid_column), _UID_COLUMNS)


def _pairs_frame(spark: SparkSession, pairs: Sequence[tuple[str, str]]) -> DataFrame:
    schema = StructType([StructField(name, StringType()) for name in (VECTORS, METADATA)])
    return spark.createDataFrame(list(pairs), schema).repartition(len(pairs), VECTORS)


def write(
    rows: DataFrame,
    name_of: Callable[[int], tuple[str, str]],
    *,
    array: str | None,
    n_files: int,
    source: str,
) -> list[int]:
    """Write uid, embedding and metadata as pairs of files, sorted by uid; returns rows per pair.

    `name_of`: number -> (file of vectors, file of metadata); numbers start at 0 and have no gaps.
    `source`: the table that the vectors are from.
    """
    ordered = rows.repartitionByRange(n_files, UID).sortWithinPartitions(UID)
    function = write_files(name_of, array, source)
    written = map_in_arrow(ordered, function, _WRITTEN_COLUMNS).collect()
    task_rows = rows_by_task((row[NUMBER], row[ROWS]) for row in written)
    for number, task in enumerate(sorted(task_rows)):  # tasks without rows wrote no files
        if number != task:
            for old, new in zip(name_of(task), name_of(number), strict=True):
                move_file(old, new)
    return [task_rows[task] for task in sorted(task_rows)]
