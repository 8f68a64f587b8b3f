"""Read the log of a Delta table through Spark, where only the server of Spark Connect has its disk.

One query over the first hundred commits, where DESCRIBE HISTORY takes a job of its own and reading
a version for the first time two more.
"""

import re
from functools import partial
from urllib.parse import urlsplit

from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from spark_jobs.core.addresses import Address
from spark_jobs.storage.faults.spark import SPARK_FAULTS
from spark_jobs.storage.table_log import (
    AskDeltaError,
    CommitFile,
    TableLog,
    actions,
    has_gap,
    lines_of,
    refuse_versioned,
)

OF_GLOBS = re.compile(r"[\\{}\[\]*?]")
# Their listings show each commit as soon as it is made; on S3 a commit store may still hold it.
_SCHEMES = ("", "file", "hdfs")
_FIRST_HUNDRED = f"_delta_log/{'0' * 18}[0-9][0-9].json"
_MOST_BYTES = 1 << 20  # of a commit that is sent to the client


def log_by_spark(spark: SparkSession, table: Address) -> TableLog:
    """The log of a table of at most 99 small commits.

    Raises AskDeltaError for any other, and where there is no table: Delta may find one above.
    """
    location = table.location.rstrip("/")
    if not table.is_path or urlsplit(location).scheme not in _SCHEMES or OF_GLOBS.search(location):
        raise AskDeltaError(location)
    refuse_versioned(location)
    is_small = F.col("length") <= _MOST_BYTES
    try:
        listed = spark.read.format("binaryFile").load(f"{location}/{_FIRST_HUNDRED}")
        rows = listed.select(
            "path",
            F.unix_millis("modificationTime").alias("time_ms"),  # independent of the time zone
            F.when(is_small, F.col("content")).alias("content"),
        ).collect()
    except SPARK_FAULTS as fault:
        raise AskDeltaError(location) from fault
    files = sorted(map(_commit_file, rows), key=lambda file: file.version)
    if not files or files[0].version > 0 or len(files) > 99 or has_gap(files):
        raise AskDeltaError(location)
    folder = files[0].path.rpartition("/_delta_log/")[0]
    if urlsplit(folder).scheme not in _SCHEMES or any(map(_is_coordinated, files)):
        raise AskDeltaError(folder)
    return TableLog(folder, files)


def _commit_file(row: Row) -> CommitFile:
    if row.content is None:
        raise AskDeltaError(row.path)
    version = int(row.path.rpartition("/")[2].removesuffix(".json"))
    return CommitFile(row.path, version, row.time_ms, partial(lines_of, bytes(row.content)))


def _is_coordinated(file: CommitFile) -> bool:
    """Whether later commits may be elsewhere, with a coordinator or a catalog."""
    return any(
        feature.startswith(("coordinatedCommits", "catalogManaged", "catalogOwned"))
        for name, action in actions(file)
        if name == "protocol"
        for feature in action.get("writerFeatures") or ()
    )
