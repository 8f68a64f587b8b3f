"""Tables as a run read or left them, for what is told of the run later."""

from collections.abc import Callable
from typing import TypeVar

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import InputDataError
from spark_jobs.storage.faults.causes import causes_of
from spark_jobs.storage.faults.spark import SPARK_FAULTS
from spark_jobs.storage.history import read_commits_until
from spark_jobs.storage.table_states import input_version
from spark_jobs.storage.tables import read_table

X = TypeVar("X")

# What a read says where VACUUM, a clean-up of the log or a user has removed what it needs.
_LOST_KINDS = {
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
    """A version of a table that is no longer there."""


def read_recorded_version(
    spark: SparkSession, address: str, needed: StructType, version: str | None
) -> DataFrame:
    """Read a table at the version that a run recorded; LostVersionError where that is another now.

    Files that were removed alone show only when the rows are asked for: `default_if_lost`.
    """
    refuse_lost_version(spark, address, version)
    return read_table(spark, address, needed, version=version)


def refuse_lost_version(spark: SparkSession, address: str, version: str | None) -> None:
    """Raise LostVersionError where a version of this number has other rows than it had."""
    if version is not None and not _is_there(spark, address, version):
        raise LostVersionError(f"{address}: the table was made again, {version} is not there")


def default_if_lost(read: Callable[[], X], otherwise: X) -> X:
    """What `read` gives, or the other where a version of a table that it reads was removed."""
    try:
        return read()
    except LostVersionError:
        return otherwise
    except SPARK_FAULTS as fault:
        if not is_version_lost(fault):
            raise
        return otherwise


def is_version_lost(fault: BaseException) -> bool:
    """Whether a read failed because a version's files or commits were removed."""
    return any(
        cause.kind in _LOST_KINDS
        or cause.condition in _LOST_CONDITIONS
        or cause.message.startswith("Cannot time travel Delta table")
        for cause in causes_of(fault)
    )


def _is_there(spark: SparkSession, address: str, version: str) -> bool:
    """Whether the version of this number has the rows that it had; True where that is unknown.

    What is no Delta table has no versions but the one that stands there.
    """
    form, number, mark = [*version.split(":", 2), "", ""][:3]
    if form in {"files", "view"}:
        try:
            return input_version(spark, address) == version
        except InputDataError:
            return False
    if form != "delta" or not mark or mark.startswith("rows-"):
        return True
    wanted = int(number)
    commits = read_commits_until(
        spark,
        parse_address(address),
        lambda commit: commit.version <= wanted and commit.changes_rows,
    )
    before = (c for c in commits if c.version <= wanted and c.changes_rows)
    last = next(before, None)
    return last is None or last.mark == mark
