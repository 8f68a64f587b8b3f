"""Shards of images: Spark plans their rows, they are downloaded, their ledgers are read."""

from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import DOWNLOADS, UID
from udfs.file_systems import file_system, spark_location
from udfs.images.download_options import DownloadOptions
from udfs.images.plan_files import SHARD, write_planned_shards
from udfs.images.shard_files import LEDGER, PLANNED, shard_file, shards_in
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
