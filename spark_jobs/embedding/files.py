"""Embeddings read from files, and written to them, by tasks."""

from collections.abc import Callable, Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from spark_jobs.schemas import EMBEDDING, EMBEDDINGS, FAULT, ITEM_HASH, MODEL, UID, WEIGHTS
from udfs.embedding_files import FILE, METADATA, ROWS, VECTORS, read_files, write_files

_READ = StructType([StructField(UID, StringType()), EMBEDDINGS[EMBEDDING], EMBEDDINGS[FAULT]])
_WRITTEN = StructType([StructField(FILE, StringType()), StructField(ROWS, LongType())])


def read(
    spark: SparkSession,
    pairs: Sequence[tuple[str, str]],
    *,
    array: str | None,
    uid_column: str,
    model: str,
    weights: str,
) -> DataFrame:
    """schemas.EMBEDDINGS beside uid, of files of vectors and their metadata; a task a pair."""
    schema = StructType([StructField(name, StringType()) for name in (VECTORS, METADATA)])
    files = spark.createDataFrame(list(pairs), schema).repartition(len(pairs), VECTORS)
    rows = files.mapInArrow(read_files(array, uid_column), _READ)
    told = {MODEL: F.lit(model), WEIGHTS: F.lit(weights), ITEM_HASH: F.lit(None).cast("long")}
    return rows.withColumns(told).select(UID, *EMBEDDINGS.names)


def write(
    rows: DataFrame,
    name_of: Callable[[int], tuple[str, str]],
    *,
    array: str | None,
    n_files: int,
) -> dict[str, int]:
    """Write uid, embedding and metadata as pairs of files in the order of uid: file -> rows."""
    ordered = rows.repartitionByRange(n_files, UID).sortWithinPartitions(UID)
    function = write_files(name_of, array)
    return {row[FILE]: row[ROWS] for row in ordered.mapInArrow(function, _WRITTEN).collect()}
