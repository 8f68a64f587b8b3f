"""Small Delta tables on this machine's disk, read as the Parquet files that their log lists.

Delta runs two queries over the log of a table before the first read of each of its versions. For
a small table they take ten times as long as the reading.
"""

import os
import re

from pyspark.sql import DataFrame, SparkSession

from spark_jobs.core.addresses import Address
from spark_jobs.storage.history import log_on_this_disk
from spark_jobs.storage.local_log import AskSparkError

_MOST_FILES, _MOST_BYTES = 16, 1 << 26  # more gain from Delta's statistics, and cost it little
_OF_GLOBS = re.compile(r"[\\{}\[\]*?]")


def read_small_table(spark: SparkSession, table: Address, version: int | None) -> DataFrame | None:
    """The table's rows, at `version` or the newest; None if Delta has to read it."""
    try:
        log = log_on_this_disk(table)
        if log is None or _OF_GLOBS.search(log.folder):
            return None
        if version is not None:
            log = log.at(version)
        files, schema = log.data_files(), log.schema()
        if len(files) > _MOST_FILES or sum(map(os.path.getsize, files)) > _MOST_BYTES:
            return None
    except (AskSparkError, OSError):
        return None
    if not files:
        return spark.createDataFrame([], schema)
    return spark.read.schema(schema).parquet(*(f"file:{file}" for file in files))
