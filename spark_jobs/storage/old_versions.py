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
    refuse_lost_version(spark, address, version)
    return read_table(spark, address, needed, version=version)


def refuse_lost_version(spark: SparkSession, address: str, version: str | None) -> None:
    """Raise LostVersionError if the recorded version is gone or now has other rows."""
    if version is not None and not _has_version(spark, address, version):
        raise LostVersionError(f"{address}: the table was made again, {version} is not there")


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


def _has_version(spark: SparkSession, address: str, version: str) -> bool:
    """Whether the table still has this version, with the same rows; True if that is unknown.

    Files and views have only their current version.
    """
    kind, number, mark = [*version.split(":", 2), "", ""][:3]
    if kind in {"files", "view"}:
        try:
            return input_version(spark, address) == version
        except InputDataError:
            return False
    if kind != "delta" or not mark or mark.startswith("rows-"):
        return True
    delta_version = int(number)

    def determines_rows(commit: Commit) -> bool:
        return commit.version <= delta_version and commit.changes_rows

    commits = read_commits_until(spark, parse_address(address), determines_rows)
    last = next(filter(determines_rows, commits), None)
    return last is None or last.mark == mark
