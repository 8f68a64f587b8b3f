"""Tables read and written: Delta and parquet, by path or catalog name."""

import logging
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from spark_jobs.core import schemas
from spark_jobs.core.addresses import Address, parse_address
from spark_jobs.core.errors import (
    InputDataError,
    MissingColumnError,
    OutputTableError,
)
from spark_jobs.core.settings import did_you_mean
from spark_jobs.storage.conflicts import retry_on_conflict
from spark_jobs.storage.delta_writing import as_json, find_commit, save, with_new_table_options
from spark_jobs.storage.faults.spark import SPARK_FAULTS
from spark_jobs.storage.file_columns import refuse_other_columns
from spark_jobs.storage.history import (
    is_delta,
    read_commits_until,
)
from spark_jobs.storage.outputs.folder_marks import (
    marked_run_id,
    write_mark,
)
from spark_jobs.storage.outputs.folder_swap import replaced_folder
from spark_jobs.storage.outputs.tables import check_delta, check_parquet
from spark_jobs.storage.table_states import input_files, table_state
from udfs.json_files import plain_path

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WriteResult:
    """What a write has put into a table: how many rows, and the version to read them by."""

    rows: int
    version: str


def read_table(
    spark: SparkSession, address: str, needed: StructType, *, version: str | None = None
) -> DataFrame:
    """Read a table, a Delta one at the given version, with all its columns.

    Raises MissingColumnError or InputDataError, naming table and column, where a `needed` column
    is absent or of another type.
    """
    table = parse_address(address)
    is_parquet = table.format == "parquet" or (version or "").startswith("files:")
    reader = spark.read
    if version is not None and version.startswith("delta:"):
        reader = reader.option("versionAsOf", version.split(":")[1])
    if not table.is_path:
        frame = _catalog_table(spark, table, reader)
    elif is_parquet:
        frame = reader.parquet(table.location)
    else:
        frame = reader.format("delta").load(table.location)
    _check_columns(frame, table, needed)
    if table.is_path and is_parquet and needed.fields and marked_run_id(table.location) is None:
        _check_files(spark, table, needed)
    return frame


def check_output(spark: SparkSession, address: str, columns: StructType) -> bool:
    """Refuse an output of others or of other columns: OutputTableError names the difference.

    Gives whether a Delta table stands there.
    """
    table = parse_address(address)
    if table.format == "parquet":
        check_parquet(spark, table)
        return False
    _refuse_names(table, columns)
    if not check_delta(spark, table):
        return False
    there = {field.name: field.dataType.simpleString() for field in _open(spark, table).schema}
    ours = {field.name: field.dataType.simpleString() for field in columns}
    differing = [name for name in {**there, **ours} if there.get(name) != ours.get(name)]
    if differing:
        name = differing[0]
        raise OutputTableError(
            f"output {table}: column {name!r} is {there.get(name, 'absent')} there, but would be "
            f"{ours.get(name, 'absent')}; give another output or remove that table"
        )
    return True


def write_table(
    frame: DataFrame, address: str, commit: Mapping[str, Any], *, is_narrow: bool = False
) -> WriteResult:
    """Replace a table by `frame` in one step.

    `commit` goes into the Delta commit's userMetadata, of parquet into a hidden file. A new Delta
    table gets the constraints of its columns (schemas.CHECKS). A parquet folder on a local disk is
    written whole before its files move into place; on an object store Spark overwrites it.
    `is_narrow`: the rows go through a shuffle into files of a good size, since else each task has
    a file, however few rows a filter leaves it. Raises OutputTableError, with the table as it
    was, where a row breaks a constraint.
    """
    table = parse_address(address)
    if table.format == "parquet":
        check_output(frame.sparkSession, address, frame.schema)
        return _write_parquet(frame.hint("rebalance") if is_narrow else frame, table, commit)
    options = {"optimizeWrite": "true"} if is_narrow else {}
    return retry_on_conflict(lambda: _write_delta(frame, table, commit, options), table)


def _write_delta(
    frame: DataFrame, table: Address, commit: Mapping[str, Any], options: Mapping[str, str]
) -> WriteResult | None:
    """The same of a Delta table, once; None where others have taken its place meanwhile."""
    # By its own name a write is told from the same one by another program at the same time.
    write = uuid.uuid4().hex
    said = {**commit, "write": write}
    try:
        # Overwrite, not create: at a path a first write that died may have left a log without a
        # version, and of a name in the catalog Spark passes on no userMetadata where it creates.
        writer = frame.write.format("delta").mode("overwrite").options(**options)
        writer = writer.option("userMetadata", as_json(said))
        if check_output(frame.sparkSession, str(table), frame.schema):
            # A transaction makes it a commit even where no file goes or comes, as of no rows.
            writer = writer.options(txnAppId=f"captionlake-{write}", txnVersion="1")
        else:
            writer = with_new_table_options(writer, frame.columns)
        save(writer, table)
    except SPARK_FAULTS as fault:
        broken = _broken_constraint(fault, table)
        if broken is None:
            raise
        raise broken from None
    return _written(frame.sparkSession, table, write)


def append_table(frame: DataFrame, address: str, commit: Mapping[str, Any]) -> None:
    """Add rows to a Delta table, which is made where it is not there.

    The same run's second append of a job changes nothing.
    """
    table = parse_address(address)
    writer = frame.write.format("delta").mode("append").option("userMetadata", as_json(commit))
    writer = writer.option("txnAppId", f"captionlake-{commit['run_id']}").option("txnVersion", 1)
    writer = writer.option("mergeSchema", True)  # an older table may lack a column

    def write() -> bool:
        save(writer, table)
        return True

    retry_on_conflict(write, table)


def last_run_id(spark: SparkSession, address: str) -> str | None:
    """The run that last changed the rows of a table; None where there is none to tell."""
    commits = read_commits_until(spark, parse_address(address), lambda commit: commit.changes_rows)
    return next((commit.run_id for commit in commits if commit.changes_rows), None)


def has_table(spark: SparkSession, address: str) -> bool:
    """Whether a Delta table stands at the address."""
    return is_delta(spark, parse_address(address))


def _written(spark: SparkSession, table: Address, write: str) -> WriteResult | None:
    """The rows and version of what a write has just put into a Delta table, by its commit."""
    mine = find_commit(spark, table, write)
    if mine is None:
        return None
    version = f"delta:{mine.version}:{mine.mark}"
    counted = mine.metrics.get("numOutputRows")  # a session may leave metrics out
    if counted is None:
        frame = read_table(spark, str(table), StructType(), version=version)
        return WriteResult(frame.count(), version)
    return WriteResult(int(counted), version)


def _open(spark: SparkSession, table: Address) -> DataFrame:
    if table.is_path:
        return spark.read.format("delta").load(table.location)
    return spark.table(table.location)


def _catalog_table(spark: SparkSession, table: Address, reader: Any = None) -> DataFrame:
    try:
        return (reader or spark.read).table(table.location)
    except AnalysisException:
        raise InputDataError(f"{table}: the catalog has no such table") from None


def _broken_constraint(fault: Exception, table: Address) -> OutputTableError | None:
    found = re.search(
        r"CHECK constraint \w+ \((.*)\) violated by row with values:\s+- (.*)", str(fault)
    )
    if found is None:
        return None
    return OutputTableError(
        f"output {table}: a row with {found[2].strip()} breaks the constraint {found[1]}; "
        "nothing was written"
    )


def _check_columns(frame: DataFrame, table: Address, needed: StructType) -> None:
    there = {field.name: field.dataType for field in frame.schema}
    for field in needed:
        if field.name not in there:
            raise MissingColumnError(
                f"table {table} has no column {field.name!r}{did_you_mean(field.name, there)}; "
                f"it has {', '.join(there) or 'none'}"
            )
        found = there[field.name].simpleString()
        if found != field.dataType.simpleString():
            raise InputDataError(
                f"table {table}: column {field.name!r} is {found}, "
                f"expected {field.dataType.simpleString()}"
            )


def _check_files(spark: SparkSession, table: Address, needed: StructType) -> None:
    """The same of each file that others wrote: Spark takes the columns of one for those of all."""
    files = input_files(spark, table)
    if len(files) > 1:
        refuse_other_columns(spark, files, needed)


def _refuse_names(table: Address, columns: StructType) -> None:
    """Raise OutputTableError for a column whose name Delta does not take."""
    for name in columns.names:
        if set(name) & set(schemas.NOT_IN_DELTA_NAMES):
            raise OutputTableError(
                f"output {table}: Delta takes no column called {name!r} (none of "
                f"{schemas.NOT_IN_DELTA_NAMES!r}); rename it, or write a folder of parquet: "
                f"parquet:{table}"
            )


def _write_parquet(frame: DataFrame, table: Address, commit: Mapping[str, Any]) -> WriteResult:
    local = plain_path(table.location)
    if local.startswith("/"):
        with replaced_folder(f"parquet:{local}", commit) as staging:
            frame.write.mode("append").parquet(f"file:{staging}")
    else:
        frame.write.mode("overwrite").parquet(table.location)
        _mark_folder(table.location, commit)
    spark = frame.sparkSession
    rows = spark.read.schema(frame.schema).parquet(table.location).count()
    return WriteResult(rows, table_state(spark, f"parquet:{table.location}").version)


def _mark_folder(folder: str, commit: Mapping[str, Any]) -> None:
    """Say in a hidden file what a folder holds, where its file system can be written to."""
    try:
        write_mark(folder, commit)
    except (OSError, ValueError) as fault:
        _log.warning("%s: it does not say what it was made of (%s)", folder, fault)
