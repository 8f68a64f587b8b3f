"""Embeddings read from files, and written to them, by tasks."""

import os
from collections.abc import Callable, Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, LongType, StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import EMBEDDING, EMBEDDINGS, FAULT, ITEM_HASH, MODEL, UID, WEIGHTS
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
from udfs.task_errors import TaskInputError

_UIDS = StructType([StructField(UID, StringType())])
_READ = StructType([*_UIDS.fields, EMBEDDINGS[EMBEDDING], EMBEDDINGS[FAULT]])
_WRITTEN = StructType([StructField(NUMBER, IntegerType()), StructField(ROWS, LongType())])


def read(
    spark: SparkSession,
    pairs: Sequence[tuple[str, str]],
    *,
    array: str | None,
    uid_column: str,
    model: str,
    weights: str,
) -> DataFrame:
    """schemas.EMBEDDINGS beside uid, of files of vectors and their metadata; a task a pair.

    All vectors must be as long as those of the first file.
    """
    try:
        dimension = dimension_of(pairs[0][0], array)
    except TaskInputError as fault:
        raise InputDataError(str(fault)) from None
    rows = map_in_arrow(_tasks(spark, pairs), read_files(array, uid_column, dimension), _READ)
    constants = {
        MODEL: F.lit(model), WEIGHTS: F.lit(weights), ITEM_HASH: F.lit(None).cast("long")
    }  # fmt: skip
    return rows.withColumns(constants).select(UID, *EMBEDDINGS.names)


def read_keys(
    spark: SparkSession, pairs: Sequence[tuple[str, str]], *, uid_column: str
) -> DataFrame:
    """The uid of each row of `read`, without its vectors."""
    return map_in_arrow(_tasks(spark, pairs), read_uids(uid_column), _UIDS)


def _tasks(spark: SparkSession, pairs: Sequence[tuple[str, str]]) -> DataFrame:
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
    """Write uid, embedding and metadata as pairs of files in the order of uid: the rows of each.

    The files are numbered from 0 on without gaps. source: the table that the vectors are of.
    """
    ordered = rows.repartitionByRange(n_files, UID).sortWithinPartitions(UID)
    function = write_files(name_of, array, source)
    rows_of_tasks = map_in_arrow(ordered, function, _WRITTEN).collect()
    written = {row[NUMBER]: row[ROWS] for row in rows_of_tasks}
    for number, task in enumerate(sorted(written)):  # a task without rows has left a gap
        if number != task:
            for old, new in zip(name_of(task), name_of(number), strict=True):
                os.replace(old, new)
    return [written[task] for task in sorted(written)]
