"""Read tables at the versions that a past run recorded, for reports on that run."""

from collections.abc import Callable
from typing import TypeVar

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import InputDataError
from spark_jobs.storage.faults.causes import causes_of
from spark_jobs.storage.faults.spark import SPARK_FAULTS
from spark_jobs.storage.history import Commit, read_commits_until
from spark_jobs.storage.table_states import input_version
from spark_jobs.storage.tables import read_table

X = TypeVar("X")

# Exception classes and error conditions of a read whose files or commits were removed: by VACUUM,
# by clean-up of the log, or by a user.
_LOST_CLASSES = {
    *("SparkFileNotFoundException", "FileNotFoundException", "VersionNotFoundException"),
    "DeltaFileNotFoundException",
}
_LOST_CONDITIONS = {
    *("DELTA_NO_RECREATABLE_HISTORY_FOUND", "DELTA_TRUNCATED_TRANSACTION_LOG", "PATH_NOT_FOUND"),
    *("DELTA_MISSING_DELTA_TABLE", "DELTA_TABLE_NOT_FOUND", "DELTA_PATH_DOES_NOT_EXIST"),
    *("DELTA_FILE_NOT_FOUND", "DELTA_FILE_NOT_FOUND_DETAILED", "TABLE_OR_VIEW_NOT_FOUND"),
    *("DELTA_LOG_FILE_NOT_FOUND", "DELTA_LOG_FILE_NOT_FOUND_FOR_STREAMING_SOURCE"),
}


class LostVersionError(InputDataError):
    """A version of a table no longer exists."""


def read_recorded_version(
    spark: SparkSession, address: str, needed: StructType, version: str | None
) -> DataFrame:
    """Read a table at a version that a run recorded; the current one if `version` is None.

    Raises LostVersionError if that version now has other rows. Missing data files show only when
    the rows are read: see `default_if_lost`.
    """
    return read_table(spark, address, needed, version=readable_version(spark, address, version))


def readable_version(spark: SparkSession, address: str, version: str | None) -> str | None:
    """The newest version with the rows of a recorded one; None for None, the current one.

    Raises LostVersionError if the recorded version is gone or now has other rows.
    """
    readable = None if version is None else same_rows_version(spark, address, version)
    if version is not None and readable is None:
        raise LostVersionError(f"{address}: the table was made again, {version} is not there")
    return readable


def default_if_lost(read: Callable[[], X], default: X) -> X:
    """Result of `read`, or `default` if a table version that it needs was removed."""
    try:
        return read()
    except LostVersionError:
        return default
    except SPARK_FAULTS as fault:
        if not is_version_lost(fault):
            raise
        return default


def is_version_lost(fault: BaseException) -> bool:
    """Whether a read failed because files or commits of a version were removed."""
    return any(
        cause.class_name in _LOST_CLASSES
        or cause.condition in _LOST_CONDITIONS
        or cause.message.startswith("Cannot time travel Delta table")
        for cause in causes_of(fault)
    )


def same_rows_version(spark: SparkSession, address: str, version: str) -> str | None:
    """The newest version of a table with the rows of a recorded one; None if these are gone.

    OPTIMIZE writes new files with the same rows, and VACUUM then removes those of the recorded
    version. Files and views have only their current version. A version whose commit is unknown is
    returned as it is.
    """
    kind, number, mark = [*version.split(":", 2), "", ""][:3]
    if kind in {"files", "view"}:
        try:
            return version if input_version(spark, address) == version else None
        except InputDataError:
            return None
    if kind != "delta" or not mark or mark.startswith("rows-"):
        return version
    recorded = int(number)

    def determines_rows(commit: Commit) -> bool:
        return commit.version <= recorded and commit.changes_rows

    commits = read_commits_until(spark, parse_address(address), determines_rows)
    last = next(filter(determines_rows, commits), None)
    if last is None:
        return version
    if last.mark != mark:
        return None
    later_changes = [c.version for c in commits if c.version > recorded and c.changes_rows]
    newest = min(later_changes) - 1 if later_changes else commits[0].version
    return f"delta:{newest}:{mark}"
