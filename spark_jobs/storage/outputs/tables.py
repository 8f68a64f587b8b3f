"""Whether a table may be written at an address: only what our runs wrote is ever replaced."""

import re
from collections.abc import Iterable

import pyarrow.fs as pafs
from pyspark.sql import SparkSession

from spark_jobs.core.addresses import Address
from spark_jobs.core.errors import InputDataError, OutputTableError
from spark_jobs.core.schemas import RUN_ID
from spark_jobs.storage.file_lists import list_files_at
from spark_jobs.storage.history import Commit, is_delta, read_commits_until
from spark_jobs.storage.outputs.folder_marks import visible_files_in
from spark_jobs.storage.outputs.folder_swap import check_folder
from udfs.json_files import file_system

# What Delta leaves where its first write dies before the commit.
_OF_DELTA = re.compile(r"(?:[^/]+=[^/]*/)*\.?part-[^/]*|_delta_log/.*|.*\.crc")
_REPLACING = ("CREATE OR REPLACE", "REPLACE TABLE", "CLONE")


def check_owner(spark: SparkSession, table: Address) -> None:
    """Refuse an output where something stands that no run of ours wrote: OutputTableError.

    That is a table of any format, a view, or files. An empty Delta table may be filled.
    """
    if table.format == "parquet":
        check_parquet(spark, table)
    elif check_delta(spark, table) and not _is_ours(_commits(spark, table)):
        if spark.sql(f"SELECT * FROM {table.sql_name} LIMIT 1").isEmpty():
            return
        raise OutputTableError(
            f"output {table} is a Delta table that no run of captionlake wrote; give another "
            "output or drop it"
        )


def check_format(spark: SparkSession, table: Address) -> None:
    """Refuse an output where something else than a Delta table stands: OutputTableError."""
    if table.format == "parquet":
        check_parquet(spark, table)
    else:
        check_delta(spark, table)


def check_delta(spark: SparkSession, table: Address) -> bool:
    """Whether a Delta table stands at an output, be it of others.

    Raises OutputTableError where something else stands there.
    """
    if is_delta(spark, table):
        return True
    if table.is_path:
        _refuse_files(spark, table)
    elif spark.catalog.tableExists(table.location):
        raise OutputTableError(
            f"output {table}: the catalog has a view or a table of that name that is no Delta "
            "table; give another output or drop it"
        )
    return False


def check_parquet(spark: SparkSession, table: Address) -> None:
    """Refuse a folder for parquet that holds what no run of ours wrote: OutputTableError."""
    if not _is_for_spark_alone(table.location):
        check_folder(f"parquet:{table.location}")
    elif foreign := _listed_by_spark(spark, table.location, leaving_out=".parquet"):
        raise OutputTableError(  # which run wrote the others cannot be told on this file system
            f"output {table} holds files that are no parquet, such as {foreign[0]}; give another "
            "output or remove them"
        )


def check_workspace_table(spark: SparkSession, table: Address) -> bool:
    """Whether a table to which runs add rows stands there; OutputTableError for one of others."""
    if not check_delta(spark, table):
        return False
    columns = spark.sql(f"SELECT * FROM {table.sql_name} LIMIT 0").columns
    if RUN_ID not in columns:
        raise OutputTableError(
            f"workspace: {table} is a table without {RUN_ID}, none of runs of captionlake; give "
            "another workspace"
        )
    return True


def _commits(spark: SparkSession, table: Address) -> list[Commit]:
    return read_commits_until(spark, table, lambda commit: commit.is_ours)


def _is_ours(commits: Iterable[Commit]) -> bool:
    """Whether a run of ours wrote the table, newest commit first, and no one made it anew since."""
    for commit in commits:
        if commit.is_ours:
            return True
        if commit.operation.startswith(_REPLACING) or commit.replaces_rows:
            return False
    return False


def _refuse_files(spark: SparkSession, table: Address) -> None:
    """Refuse a path without a Delta table that holds other files than a first write that died."""
    has_log = _has_log(spark, table.location)
    names = _names_below(spark, table.location)
    foreign = [name for name in names if not (has_log and _OF_DELTA.fullmatch(name))]
    if foreign:
        raise OutputTableError(
            f"output {table} holds files that are no Delta table, such as {foreign[0]}; "
            "give another output or remove them"
        )


def _names_below(spark: SparkSession, location: str) -> list[str]:
    """The files below a path but for hidden ones, or the one at it."""
    if _is_for_spark_alone(location):
        return _listed_by_spark(spark, location) or []
    system, path = file_system(location)
    try:
        return [path] if system.get_file_info(path).is_file else list(visible_files_in(location))
    except OSError as fault:
        if system.type_name != "local":  # Spark may have credentials that Arrow has not
            return _listed_by_spark(spark, location) or []
        raise OutputTableError(f"output {location}: cannot be listed ({fault})") from None


def _has_log(spark: SparkSession, location: str) -> bool:
    """Whether there is a folder of Delta's log, be it empty."""
    log = f"{location.rstrip('/')}/_delta_log"
    if _is_for_spark_alone(location):
        return _listed_by_spark(spark, log) is not None
    system, path = file_system(log)
    try:
        return bool(system.get_file_info(path).type == pafs.FileType.Directory)
    except OSError:
        return _listed_by_spark(spark, log) is not None


def _is_for_spark_alone(location: str) -> bool:
    """Whether a path is on a file system that Spark knows and Arrow does not."""
    try:
        file_system(location)
    except (OSError, ValueError):  # Arrow knows HDFS only where libhdfs is there
        return True
    return False


def _listed_by_spark(
    spark: SparkSession, location: str, *, leaving_out: str | None = None
) -> list[str] | None:
    """The names of the files that Spark sees below a path; None where there is no such path.

    Those that end with `leaving_out` are left out.
    """
    try:
        names = [file.name for file in list_files_at(spark, location)]
    except InputDataError:
        return None
    return [name for name in names if leaving_out is None or not name.endswith(leaving_out)]
