"""Check whether a table may be written to an address: only tables of our runs are replaced."""

import re
from collections.abc import Iterable

import pyarrow.fs as pafs
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from spark_jobs.core.addresses import Address
from spark_jobs.core.errors import InputDataError, OutputTableError
from spark_jobs.core.schemas import RUN_ID
from spark_jobs.storage.file_lists import list_files_at
from spark_jobs.storage.history import Commit, delta_schema, read_commits_until
from spark_jobs.storage.outputs.folder_marks import visible_files_in
from spark_jobs.storage.outputs.folder_swap import check_folder
from spark_jobs.storage.session import reads_local_paths
from udfs.file_systems import DBFS, VOLUMES, file_system, plain_path

# Files that a first Delta write leaves behind if it crashes before its commit.
_LEFT_BY_CRASHED_WRITE = re.compile(r"(?:[^/]+=[^/]*/)*\.?part-[^/]*|_delta_log/.*|.*\.crc")
_REPLACING_OPERATIONS = ("CREATE OR REPLACE", "REPLACE TABLE", "CLONE")


def check_owner(spark: SparkSession, table: Address) -> None:
    """Raise OutputTableError if an output has a table, view or files that no run of ours wrote.

    An empty Delta table may be filled, whoever created it.
    """
    if table.format == "parquet":
        check_parquet(spark, table)
        return
    commits = read_commits_until(spark, table, lambda commit: commit.is_ours)
    if not commits:
        _refuse_others(spark, table)
    elif not _is_ours(commits) and not _is_empty(spark, table):
        raise OutputTableError(
            f"output {table} is a Delta table that no run of captionlake wrote; give another "
            "output or drop it"
        )


def _is_empty(spark: SparkSession, table: Address) -> bool:
    return spark.sql(f"SELECT * FROM {table.sql_name} LIMIT 1").isEmpty()


def check_format(spark: SparkSession, table: Address) -> None:
    """Raise OutputTableError if an output has something other than a table of its format."""
    if table.format == "parquet":
        check_parquet(spark, table)
    else:
        check_delta(spark, table)


def check_delta(spark: SparkSession, table: Address) -> StructType | None:
    """The columns of the Delta table at an output, whoever wrote it; None if nothing is there.

    Raises OutputTableError if there is something else.
    """
    schema = delta_schema(spark, table)
    if schema is None:
        _refuse_others(spark, table)
    return schema


def _refuse_others(spark: SparkSession, table: Address) -> None:
    """Raise OutputTableError for what is at an output that has no Delta table."""
    if table.is_path:
        _refuse_files(spark, table)
    elif spark.catalog.tableExists(table.location):
        raise OutputTableError(
            f"output {table}: the catalog has a view or a table of that name that is no Delta "
            "table; give another output or drop it"
        )


def check_parquet(spark: SparkSession, table: Address) -> None:
    """Raise OutputTableError for a folder that has files that no run of ours wrote."""
    if plain_path(table.location).startswith("/") or not _is_only_for_spark(table.location):
        check_folder(f"parquet:{table.location}")
    elif foreign := _list_by_spark(spark, table.location, leaving_out=".parquet"):
        raise OutputTableError(  # marks cannot be read on this file system
            f"output {table} holds files that are no parquet, such as {foreign[0]}; give another "
            "output or remove them"
        )


def check_workspace_table(spark: SparkSession, table: Address) -> bool:
    """Whether a table of the workspace exists; OutputTableError if it is not one of our runs."""
    schema = check_delta(spark, table)
    if schema is None:
        return False
    if RUN_ID not in schema.names:
        raise OutputTableError(
            f"workspace: {table} is a table without {RUN_ID}, none of runs of captionlake; give "
            "another workspace"
        )
    return True


def _is_ours(commits: Iterable[Commit]) -> bool:
    """Whether a run of captionlake wrote the table and no other program replaced it afterwards.

    `commits`: the table's, newest first; none gives False. Appends, merges and deletes of other
    programs replace nothing.
    """
    for commit in commits:
        if commit.is_ours:
            return True
        if commit.operation.startswith(_REPLACING_OPERATIONS) or commit.replaces_rows:
            return False
    return False


def _refuse_files(spark: SparkSession, table: Address) -> None:
    """Raise OutputTableError for files at a path without a Delta table.

    Files left by a crashed first Delta write do not count.
    """
    has_log = _has_log(spark, table.location)
    names = _visible_names(spark, table.location)
    foreign = [name for name in names if not (has_log and _LEFT_BY_CRASHED_WRITE.fullmatch(name))]
    if foreign:
        raise OutputTableError(
            f"output {table} holds files that are no Delta table, such as {foreign[0]}; "
            "give another output or remove them"
        )


def _visible_names(spark: SparkSession, location: str) -> list[str]:
    """The files of a folder without hidden ones, or the file at the location."""
    if _is_only_for_spark(location):
        return _list_by_spark(spark, location) or []
    system, path = file_system(location)
    try:
        return [path] if system.get_file_info(path).is_file else list(visible_files_in(location))
    except OSError as fault:
        if system.type_name != "local":  # Spark may have credentials that pyarrow lacks
            return _list_by_spark(spark, location) or []
        raise OutputTableError(f"output {location}: cannot be listed ({fault})") from None


def _has_log(spark: SparkSession, location: str) -> bool:
    """Whether there is a folder for a Delta log, maybe empty."""
    log = f"{location.rstrip('/')}/_delta_log"
    if _is_only_for_spark(location):
        return _list_by_spark(spark, log) is not None
    system, path = file_system(log)
    try:
        return bool(system.get_file_info(path).type == pafs.FileType.Directory)
    except OSError:
        return _list_by_spark(spark, log) is not None


def _is_only_for_spark(location: str) -> bool:
    """Whether a path is on a file system that Spark has and this program does not."""
    path = plain_path(location)
    if path.startswith("/") and not path.startswith((VOLUMES, DBFS)) and not reads_local_paths():
        return True
    try:
        file_system(location)
    except (OSError, ValueError):  # pyarrow supports HDFS only with libhdfs
        return True
    return False


def _list_by_spark(
    spark: SparkSession, location: str, *, leaving_out: str | None = None
) -> list[str] | None:
    """Names of the files that Spark lists at a path; None if the path does not exist.

    Names that end with `leaving_out` are left out.
    """
    try:
        names = [file.name for file in list_files_at(spark, location)]
    except InputDataError:
        return None
    return [name for name in names if leaving_out is None or not name.endswith(leaving_out)]
