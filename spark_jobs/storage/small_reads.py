"""Small Delta tables, read as the Parquet files that their log lists.

Delta runs two queries over the log of a table before the first read of each of its versions. For
a small table they take ten times as long as the reading.
"""

import os

from pyspark.sql import DataFrame, SparkSession

from spark_jobs.core.addresses import Address
from spark_jobs.storage.history import table_log
from spark_jobs.storage.spark_log import OF_GLOBS
from spark_jobs.storage.table_log import AskDeltaError

_MOST_FILES, _MOST_BYTES = 16, 1 << 26  # more gain from Delta's statistics, and cost it little


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
