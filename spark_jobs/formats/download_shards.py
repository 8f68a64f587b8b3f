"""Shards of images: Spark plans their rows, they are downloaded, their ledgers are read."""

from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import DOWNLOADS, UID, URL
from udfs.file_systems import file_system, spark_location
from udfs.images.download_options import DownloadOptions
from udfs.images.plan_files import (
    SHARD,
    keep_planned_rows,
    planned_rows,
    write_planned_shards,
)
from udfs.images.shard_files import LEDGER, PLANNED, remove_plan, shard_file, shards_in
from udfs.images.shard_tasks import download_shards_in_task

_SHARD = StructType([StructField(SHARD, IntegerType())])


def plan_shards(rows: DataFrame, folder: str, n_shards: int) -> None:
    """Write the rows of new shards to the folder.

    A row's shard is decided by a hash of its uid: images of one host are seldom asked for at the
    same time, and a task that is run again writes the same rows.
    """
    system, path = file_system(f"{folder}/{PLANNED}")
    system.create_dir(path, recursive=True)
    first = max(shards_in(folder, PLANNED) | shards_in(folder, LEDGER), default=-1) + 1
    shard = F.pmod(F.xxhash64(UID), F.lit(n_shards)).cast("int") + F.lit(first)
    planned = (
        rows.select(shard.alias(SHARD), *rows.columns)
        .repartition(min(n_shards, 10_000), SHARD)
        .sortWithinPartitions(SHARD, F.xxhash64(UID), UID)
    )
    map_in_arrow(planned, write_planned_shards(folder), _SHARD).collect()


def open_shards(folder: str) -> list[int]:
    """The shards that are planned and not downloaded yet."""
    return sorted(shards_in(folder, PLANNED) - shards_in(folder, LEDGER))


def leave_wanted_rows(wanted: DataFrame, folder: str) -> None:
    """Take rows out of the open shards that are not among the wanted ones, by uid and url.

    An interrupted run may have planned them under other settings, or from other captions.
    """
    shards = open_shards(folder)
    if not shards:
        return
    numbers = wanted.sparkSession.createDataFrame([(shard,) for shard in shards], _SHARD)
    columns = StructType([*_SHARD.fields, *(StructField(n, StringType()) for n in (UID, URL))])
    planned = map_in_arrow(numbers, planned_rows(folder), columns)
    again = wanted.select(F.col(UID).alias("_uid"), F.col(URL).alias("_url"))
    is_wanted = (F.col(UID) == F.col("_uid")) & F.col(URL).eqNullSafe(F.col("_url"))
    if planned.join(again, on=is_wanted, how="left_anti").isEmpty():
        return
    kept = planned.join(again, on=is_wanted, how="left_semi").select(SHARD, UID)
    by_shard = kept.repartition(min(len(shards), 10_000), SHARD).sortWithinPartitions(SHARD)
    written = map_in_arrow(by_shard, keep_planned_rows(folder), _SHARD).collect()
    for shard in sorted({*shards} - {row[SHARD] for row in written}):
        remove_plan(folder, shard)


def download_on_cluster(
    spark: SparkSession, shards: Sequence[int], options: DownloadOptions
) -> None:
    """Download shards in Spark's tasks, one shard each."""
    rows = spark.createDataFrame([(shard,) for shard in shards], _SHARD)
    tasks = rows.repartitionByRange(len(shards), SHARD)
    map_in_arrow(tasks, download_shards_in_task(options), _SHARD).collect()


def read_ledgers(spark: SparkSession, folder: str, shards: Sequence[int]) -> DataFrame:
    """The ledger's rows of shards that are done."""
    files = [shard_file(folder, LEDGER, shard) for shard in shards]
    files = [spark_location(file) if file.startswith("/") else file for file in files]
    if not files:
        return spark.createDataFrame([], DOWNLOADS)
    return spark.read.schema(DOWNLOADS).parquet(*files)
