"""Upkeep of a Delta table: compact its files, order its rows, and remove files of old versions."""

import json
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pyspark.sql import SparkSession

from spark_jobs.core.addresses import Address
from spark_jobs.core.row_counts import count_rows
from spark_jobs.storage.conflicts import retry_on_conflict
from spark_jobs.storage.history import Commit, read_commits
from spark_jobs.storage.old_versions import same_rows_version
from spark_jobs.storage.session_settings import at_most

_LARGEST_FILE = 1 << 30  # bytes; OPTIMIZE makes files of at most that
_HOUR_MS = 3_600_000
# VACUUM lists a table's folder in as many tasks, by default 10,000, however few files it has.
_LISTING_TASKS = {"spark.sql.sources.parallelPartitionDiscovery.parallelism": 10_000}
_MOST_LISTING_TASKS = 256
LISTED_FILES = 1_000  # that Databricks names in a dry run
# Added to the age of a version to be kept: a file's removal is dated by the driver's clock, before
# its commit, which is dated by the store's.
_MARGIN_HOURS = 24


@dataclass(frozen=True)
class TableFiles:
    """Files of the current version of a Delta table, and the columns that it is clustered by."""

    files: int
    bytes: int
    clustered_by: tuple[str, ...] = ()

    @property
    def mean_bytes(self) -> float:
        """Mean size of a file."""
        return self.bytes / max(1, self.files)

    @property
    def fewest_files(self) -> int:
        """The number of files that OPTIMIZE would leave, if it packed them without waste."""
        return max(1, math.ceil(self.bytes / _LARGEST_FILE)) if self.files else 0


def table_files(spark: SparkSession, table: Address) -> TableFiles:
    """Number and bytes of a table's files, from its log."""
    detail = spark.sql(f"DESCRIBE DETAIL {table.sql_name}").collect()[0].asDict()
    clustered_by = tuple(detail.get("clusteringColumns") or ())
    return TableFiles(detail["numFiles"], detail["sizeInBytes"], clustered_by)


def may_be_compacted(now: TableFiles, small_bytes: int) -> bool:
    """Whether files are small on average, and fewer would do."""
    return now.files > now.fewest_files and now.mean_bytes < small_bytes


def may_be_ordered(now: TableFiles, commits: Sequence[Commit], column: str) -> bool:
    """Whether ORDER BY of a column is still to be done: the table is not clustered, nor ordered.

    A single file is not ordered either, since nothing would be passed over.
    """
    if now.clustered_by or now.fewest_files < 2:
        return False
    for commit in commits:
        if commit.changes_rows:
            return True
        if commit.operation == "OPTIMIZE":
            return column not in json.loads(commit.parameters.get("zOrderBy") or "[]")
    return True


def optimize(spark: SparkSession, table: Address, order_by: str | None = None) -> None:
    """Compact a table's files; with `order_by`, rewrite them all in the order of that column."""
    zorder = f" ZORDER BY (`{order_by}`)" if order_by else ""

    def compact() -> bool:
        spark.sql(f"OPTIMIZE {table.sql_name}{zorder}").collect()
        return True

    retry_on_conflict(compact, table)


@dataclass(frozen=True)
class Retention:
    """Files removed from the table in the last `hours` stay; `version`: the oldest one kept so."""

    hours: int
    version: int | None = None


def retention(
    spark: SparkSession, table: Address, recorded: Iterable[str], hours: int
) -> Retention:
    """The retention that keeps the recorded versions `delta:3:<mark>` of a table readable.

    A version whose rows a later one has too needs no files of its own. At least `hours`.
    """
    newest = read_commits(spark, table, limit=1)[0].version
    versions = (same_rows_version(spark, str(table), version) for version in recorded)
    numbers = {int(v.split(":")[1]) for v in versions if v is not None and v.startswith("delta:")}
    old = sorted(number for number in numbers if number < newest)
    if not old:
        return Retention(hours)
    commits = read_commits(spark, table, limit=newest - old[0] + 1)
    since = next((c.time_ms for c in commits if c.version == old[0]), None)
    if since is None:  # the log has lost it, so it cannot be read either
        return Retention(hours)
    age = math.ceil((time.time() * 1000 - since) / _HOUR_MS) + _MARGIN_HOURS
    return Retention(max(hours, age), old[0])


def removable_files(spark: SparkSession, table: Address, hours: int) -> int:
    """The number of files that VACUUM would remove; on Databricks up to LISTED_FILES of them."""
    with at_most(spark, _LISTING_TASKS, _MOST_LISTING_TASKS):
        return count_rows(spark.sql(f"VACUUM {table.sql_name} RETAIN {hours} HOURS DRY RUN"))


def vacuum(spark: SparkSession, table: Address, hours: int) -> tuple[int | None, int | None]:
    """Remove files that no version of the last hours needs: (files, bytes), None where not told.

    Raises Spark's fault if `hours` is below the table's delta.deletedFileRetentionDuration.
    """
    before = read_commits(spark, table, limit=1)[0].version
    with at_most(spark, _LISTING_TASKS, _MOST_LISTING_TASKS):
        spark.sql(f"VACUUM {table.sql_name} RETAIN {hours} HOURS").collect()
    commits = read_commits(spark, table, limit=4)
    starts = [c.metrics for c in commits if c.operation == "VACUUM START" and c.version > before]
    metrics = starts[0] if starts else {}
    files, size = (metrics.get(name) for name in ("numFilesToDelete", "sizeOfDataToDelete"))
    return None if files is None else int(files), None if size is None else int(size)
