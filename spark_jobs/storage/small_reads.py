"""Small Delta tables, read as the Parquet files that their log lists.

Delta runs two queries over the log of a table before the first read of each of its versions. For
a small table they take ten times as long as the reading.
"""

import os
from collections.abc import Sequence
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.core.addresses import Address
from spark_jobs.storage.batches import rows_that_fit
from spark_jobs.storage.history import table_log
from spark_jobs.storage.spark_log import OF_GLOBS
from spark_jobs.storage.table_log import AskDeltaError

_MOST_FILES, _MOST_BYTES = 16, 1 << 26  # more gain from Delta's statistics, and cost it little


def first_rows(
    spark: SparkSession, table: Address, version: int | None, columns: Sequence[str], n: int
) -> pa.Table | None:
    """The first `n` rows of a table on the driver's disk, read without Spark, for a glance.

    `version`: or the newest. None where that cannot be done, or where so many rows may be long.
    """
    rows = []
    try:
        log = table_log(spark, table)
        if log is None or not log.folder.startswith("/"):
            return None
        for data_file in (log if version is None else log.at(version)).data_files():
            file = pq.ParquetFile(data_file.path)
            row_bytes = data_file.size / max(1, file.metadata.num_rows)
            if rows_that_fit(row_bytes, is_compressed=True) < n:
                return None
            batches = file.iter_batches(n, columns=[*columns], use_threads=False)
            rows += [batch for batch in islice(batches, 1) if batch.num_rows]
            if sum(batch.num_rows for batch in rows) >= n:
                break
        if not rows:
            return None
        first = pa.Table.from_batches(rows).slice(0, n).select([*columns])
        first.validate(full=True)
    except (AskDeltaError, OSError, KeyError, pa.ArrowException):
        return None
    return first


def read_small_table(spark: SparkSession, table: Address, version: int | None) -> DataFrame | None:
    """The table's rows, at `version` or the newest; None if Delta has to read it."""
    try:
        log = table_log(spark, table)
        if log is None or OF_GLOBS.search(log.folder):
            return None
        is_on_this_disk = log.folder.startswith("/")
        if version is not None:
            if version != log.files[-1].version and not is_on_this_disk:
                return None  # VACUUM may have removed its files: Delta says so when it reads them
            log = log.at(version)
        files, schema = log.data_files(), log.schema()
        if len(files) > _MOST_FILES or sum(file.size for file in files) > _MOST_BYTES:
            return None
    except AskDeltaError:
        return None
    if not files:
        return spark.createDataFrame([], schema)
    paths = [file.path for file in files]
    if is_on_this_disk:
        if not all(map(os.path.isfile, paths)):
            return None  # Delta says which is absent
        paths = [f"file:{path}" for path in paths]
    return spark.read.schema(schema).parquet(*paths)
