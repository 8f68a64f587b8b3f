"""Read and write tables: Delta and parquet, by path or catalog name."""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, DataFrameReader, SparkSession
from pyspark.sql.types import StructType

from spark_jobs.core import schemas
from spark_jobs.core.addresses import Address, parse_address
from spark_jobs.core.errors import (
    InputDataError,
    MissingColumnError,
    OutputTableError,
)
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.settings import did_you_mean
from spark_jobs.core.spark_connect import is_remote
from spark_jobs.storage.conflicts import retry_on_conflict
from spark_jobs.storage.delta_writing import (
    find_commit,
    metadata_json,
    save,
    with_new_table_options,
)
from spark_jobs.storage.faults.causes import causes_of
from spark_jobs.storage.faults.constraints import refused_row
from spark_jobs.storage.faults.spark import SPARK_FAULTS
from spark_jobs.storage.file_columns import refuse_other_columns
from spark_jobs.storage.history import (
    delta_schema,
    read_commits_until,
)
from spark_jobs.storage.outputs.folder_marks import (
    marked_run_id,
    write_mark,
)
from spark_jobs.storage.outputs.folder_swap import replaced_folder
from spark_jobs.storage.outputs.tables import check_delta, check_parquet
from spark_jobs.storage.small_reads import read_small_table
from spark_jobs.storage.table_states import input_files, table_state
from udfs.file_systems import plain_path, spark_location

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WriteResult:
    """The number of rows that a write put into a table, and the version to read them by."""

    rows: int
    version: str


def read_table(
    spark: SparkSession, address: str, needed: StructType, *, version: str | None = None
) -> DataFrame:
    """Read a table with all its columns; a Delta table at `version` if that is set.

    Raises MissingColumnError or InputDataError, naming table and column, if a `needed` column is
    absent or has another type.
    """
    table = parse_address(address)
    is_parquet = table.format == "parquet" or (version or "").startswith("files:")
    reader = spark.read
    number = None
    if version is not None and version.startswith("delta:"):
        number = int(version.split(":")[1])
        reader = reader.option("versionAsOf", number)
    if not table.is_path:
        frame = _read_catalog_table(table, reader)
    elif is_parquet:
        frame = reader.parquet(table.location)
        if is_remote(spark):  # where each look at the columns would read a file's footer again
            frame = spark.read.schema(frame.schema).parquet(table.location)
    elif (small := read_small_table(spark, table, number)) is not None:
        frame = small
    else:
        frame = reader.format("delta").load(table.location)
    _check_columns(frame, table, needed)
    if table.is_path and is_parquet and needed.fields and marked_run_id(table.location) is None:
        _check_columns_of_files(spark, table, needed)
    return frame


def check_output(spark: SparkSession, address: str, columns: StructType) -> bool:
    """Whether a Delta table exists at the output.

    Raises OutputTableError if the address has anything other than a table with these columns; the
    message names the first column that differs.
    """
    table = parse_address(address)
    if table.format == "parquet":
        check_parquet(spark, table)
        return False
    _refuse_invalid_names(table, columns)
    schema = check_delta(spark, table)
    if schema is None:
        return False
    existing = _type_names(schema)
    new = _type_names(columns)
    differing = [name for name in {**existing, **new} if existing.get(name) != new.get(name)]
    if differing:
        name = differing[0]
        raise OutputTableError(
            f"output {table}: column {name!r} is {existing.get(name, 'absent')} there, but would "
            f"be {new.get(name, 'absent')}; give another output or remove that table"
        )
    return True


def write_table(
    frame: DataFrame, address: str, metadata: Mapping[str, Any], *, few_files: bool = False
) -> WriteResult:
    """Replace a table by `frame` in one step.

    `metadata` goes into the Delta commit's userMetadata, for parquet into a hidden file. A new
    Delta table gets the CHECK constraints of its columns (schemas.CHECKS). A parquet folder on a
    local disk is written completely before its files move into place; on an object store Spark
    overwrites it. `few_files`: shuffle the rows into files of a good size; without it each task
    writes a file, however few rows a filter has kept in it. Raises OutputTableError, with the table
    unchanged, if a row breaks a constraint.
    """
    table = parse_address(address)
    if table.format == "parquet":
        check_output(frame.sparkSession, address, frame.schema)
        return _write_parquet(frame.hint("rebalance") if few_files else frame, table, metadata)
    options = {"optimizeWrite": "true"} if few_files else {}
    return retry_on_conflict(lambda: _write_delta(frame, table, metadata, options), table)


def _write_delta(
    frame: DataFrame, table: Address, metadata: Mapping[str, Any], options: Mapping[str, str]
) -> WriteResult | None:
    """Try once to replace a Delta table; None if another program replaced it meanwhile."""
    # A unique id distinguishes this commit from the same write by another program.
    write_id = uuid.uuid4().hex
    try:
        # Overwrite, not create: a crashed first write may have left a _delta_log without a version,
        # and for a catalog table Spark drops userMetadata when it creates one.
        writer = frame.write.format("delta").mode("overwrite").options(**options)
        writer = writer.option("userMetadata", metadata_json({**metadata, "write": write_id}))
        if check_output(frame.sparkSession, str(table), frame.schema):
            # Delta skips a commit that adds and removes no file, e.g. of no rows, unless it carries
            # a transaction.
            writer = writer.options(txnAppId=f"captionlake-{write_id}", txnVersion="1")
        else:
            writer = with_new_table_options(writer, frame.columns)
        save(writer, table)
    except SPARK_FAULTS as fault:
        reason = refused_row(causes_of(fault))
        if reason is None:
            raise
        raise OutputTableError(f"output {table}: {reason}; nothing was written") from None
    return _write_result(frame.sparkSession, table, write_id)


def append_table(
    frame: DataFrame, address: str, metadata: Mapping[str, Any], *, part: str = ""
) -> None:
    """Append rows to a Delta table, creating it if it does not exist.

    Idempotent per run: a second append with the same `run_id` and part changes nothing.
    """
    table = parse_address(address)
    writer = frame.write.format("delta").mode("append")
    writer = writer.option("userMetadata", metadata_json(metadata))
    writer = writer.option("txnAppId", transaction_name(metadata, part)).option("txnVersion", 1)
    writer = writer.option("mergeSchema", True)  # an older table may lack a column

    def write() -> bool:
        save(writer, table)
        return True

    retry_on_conflict(write, table)


def transaction_name(metadata: Mapping[str, Any], part: str = "") -> str:
    """The name of a run's transaction, by which a second append of the same rows is seen."""
    return f"captionlake-{metadata['run_id']}{part}"


def last_run_id(spark: SparkSession, address: str) -> str | None:
    """Id of the run that last changed the rows of a table; None if another program did.

    None too if there is no Delta table. Ends in `.part` if the run has not finished its commits.
    """
    commits = read_commits_until(spark, parse_address(address), lambda commit: commit.changes_rows)
    return next((commit.run_id for commit in commits if commit.changes_rows), None)


def has_table(spark: SparkSession, address: str) -> bool:
    """Whether a Delta table exists at the address."""
    return delta_schema(spark, parse_address(address)) is not None


def _write_result(spark: SparkSession, table: Address, write_id: str) -> WriteResult | None:
    """Rows and version of a finished write, from its commit; None if it left no commit."""
    commit = find_commit(spark, table, write_id)
    if commit is None:
        return None
    version = f"delta:{commit.version}:{commit.mark}"
    n_rows = commit.metrics.get("numOutputRows")  # a session may leave metrics out
    if n_rows is None:
        frame = read_table(spark, str(table), StructType(), version=version)
        return WriteResult(count_rows(frame), version)
    return WriteResult(int(n_rows), version)


def _type_names(columns: StructType) -> dict[str, str]:
    return {field.name: field.dataType.simpleString() for field in columns}


def _read_catalog_table(table: Address, reader: DataFrameReader) -> DataFrame:
    frame = reader.table(table.location)
    try:
        _ = frame.schema  # Spark Connect looks for the table only now
    except AnalysisException:
        raise InputDataError(f"{table}: the catalog has no such table") from None
    return frame


def _check_columns(frame: DataFrame, table: Address, needed: StructType) -> None:
    type_names = _type_names(frame.schema)
    for name, expected in _type_names(needed).items():
        if name not in type_names:
            raise MissingColumnError(
                f"table {table} has no column {name!r}{did_you_mean(name, type_names)}; "
                f"it has {', '.join(type_names) or 'none'}"
            )
        if type_names[name] != expected:
            raise InputDataError(
                f"table {table}: column {name!r} is {type_names[name]}, expected {expected}"
            )


def _check_columns_of_files(spark: SparkSession, table: Address, needed: StructType) -> None:
    """Check the columns of each parquet file: Spark takes the schema of one file for all."""
    files = input_files(spark, table)
    if len(files) > 1:
        refuse_other_columns(spark, files, needed)


def _refuse_invalid_names(table: Address, columns: StructType) -> None:
    """Raise OutputTableError if Delta does not accept the name of a column."""
    for name in columns.names:
        if set(name) & set(schemas.NOT_IN_DELTA_NAMES):
            raise OutputTableError(
                f"output {table}: Delta takes no column called {name!r} (none of "
                f"{schemas.NOT_IN_DELTA_NAMES!r}); rename it, or write a folder of parquet: "
                f"parquet:{table}"
            )


def _write_parquet(frame: DataFrame, table: Address, metadata: Mapping[str, Any]) -> WriteResult:
    local = plain_path(table.location)
    if local.startswith("/"):
        with replaced_folder(f"parquet:{local}", metadata) as staging:
            frame.write.mode("append").parquet(spark_location(staging))
    else:
        frame.write.mode("overwrite").parquet(table.location)
        _mark_folder(table.location, metadata)
    spark = frame.sparkSession
    n_rows = count_rows(spark.read.schema(frame.schema).parquet(table.location))
    return WriteResult(n_rows, table_state(spark, f"parquet:{table.location}").version)


def _mark_folder(folder: str, metadata: Mapping[str, Any]) -> None:
    """Write the folder's mark; only log a warning if pyarrow cannot write to its file system."""
    try:
        write_mark(folder, metadata)
    except (OSError, ValueError) as fault:
        _log.warning("%s: it does not say what it was made of (%s)", folder, fault)
