"""The one place that reads and writes tables: Delta and parquet, by path or catalog name."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, DataFrameWriter, SparkSession
from pyspark.sql.types import StructType

from spark_jobs import schemas
from spark_jobs.addresses import Address, parse_address
from spark_jobs.errors import InputDataError, MissingColumnError, OutputTableError
from spark_jobs.settings import nearest
from spark_jobs.spark_faults import SPARK_FAULTS

_HISTORY_DEPTH = 20  # commits looked through for the one that a run wrote


def input_version(spark: SparkSession, address: str) -> str:
    """What stands at an address now: `delta:7`, or `files:3:<digest of names, sizes and times>`.

    Raises InputDataError where nothing stands there.
    """
    table = parse_address(address)
    commits = _history(spark, table, limit=1)
    if commits:
        return f"delta:{commits[0]['version']}"
    if not table.is_path:
        return f"files:{_digest(sorted(_catalog_table(spark, table).inputFiles()))}"
    if _is_unfinished(spark, table):
        raise InputDataError(f"{table}: its first write never ended; run what writes it again")
    listed = _files(spark, table)
    return f"files:{len(listed)}:{_digest(listed)}"


def read_table(
    spark: SparkSession, address: str, needed: StructType, *, version: str | None = None
) -> DataFrame:
    """Read a table, a Delta one at the given version, with all its columns.

    Raises MissingColumnError or InputDataError, naming table and column, where a `needed` column
    is absent or of another type.
    """
    table = parse_address(address)
    reader = spark.read
    if version is not None and version.startswith("delta:"):
        reader = reader.option("versionAsOf", version.removeprefix("delta:"))
    if not table.is_path:
        frame = _catalog_table(spark, table, reader)
    elif version is not None and version.startswith("files:"):
        frame = reader.parquet(table.location)
    else:
        frame = reader.format("delta").load(table.location)
    _check_columns(frame, table, needed)
    return frame


def check_output(spark: SparkSession, address: str, columns: StructType) -> bool:
    """Refuse an output that holds something else: OutputTableError names the difference.

    Gives whether a Delta table stands there.
    """
    table = parse_address(address)
    if table.format == "parquet":
        return False
    if not _history(spark, table, limit=1):
        _refuse_foreign_output(spark, table)
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


def write_table(frame: DataFrame, address: str, commit: Mapping[str, Any]) -> int:
    """Replace a table by `frame` in one step and give the rows written.

    `commit` goes into the Delta commit's userMetadata. A new Delta table gets the constraints of
    its columns (schemas.CHECKS). A parquet folder on a local disk is written beside and then moved
    into place; on an object store Spark overwrites it. Raises OutputTableError, with the table as
    it was, where a row breaks a constraint.
    """
    table = parse_address(address)
    is_there = check_output(frame.sparkSession, address, frame.schema)
    if table.format == "parquet":
        return _write_parquet(frame, table)
    try:
        if is_there:
            writer = frame.write.format("delta").mode("overwrite")
            _save(writer.option("userMetadata", _json(commit)), table)
        else:
            _create(frame, table, commit)
    except SPARK_FAULTS as fault:
        broken = _broken_constraint(fault, table)
        if broken is None:
            raise
        raise broken from None
    return int(_commit_of(frame.sparkSession, table, str(commit["run_id"]))["numOutputRows"])


def append_table(frame: DataFrame, address: str, commit: Mapping[str, Any]) -> None:
    """Add rows to a Delta table; the same run's second append of a job changes nothing."""
    table = parse_address(address)
    writer = frame.write.format("delta").mode("append").option("userMetadata", _json(commit))
    writer = writer.option("txnAppId", f"captionlake-{commit['run_id']}").option("txnVersion", 1)
    _save(writer, table)


def extend_table(frame: DataFrame, address: str, commit: Mapping[str, Any]) -> None:
    """Add rows to a Delta table, which is made where it is not there."""
    table = parse_address(address)
    if check_output(frame.sparkSession, address, frame.schema):
        writer = frame.write.format("delta").mode("append")
        _save(writer.option("userMetadata", _json(commit)), table)
    else:
        _create(frame, table, commit)


def last_run_id(spark: SparkSession, address: str) -> str | None:
    """The run that wrote the newest version of a table; None where there is none to tell."""
    table = parse_address(address)
    commits = [] if table.format == "parquet" else _history(spark, table, limit=1)
    return _run_id(commits[0]) if commits else None


def list_files(spark: SparkSession, address: str) -> list[str]:
    """Every file below a path or that a glob names, sorted; InputDataError where there is none."""
    return [line.rsplit(" ", 3)[0] for line in _files(spark, parse_address(address))]


def read_text(spark: SparkSession, address: str) -> str:
    """The whole of one small UTF-8 file, such as a concept bank."""
    try:
        return read_bytes(spark, address).decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        table = parse_address(address)
        raise InputDataError(f"{table}: is no UTF-8 text (byte {fault.start})") from None


def read_bytes(spark: SparkSession, address: str) -> bytes:
    """The whole of one small file."""
    contents = list(read_folder(spark, address).values())
    if not contents:
        raise InputDataError(f"{parse_address(address)}: no file with content lies there")
    return contents[0]


def read_folder(spark: SparkSession, address: str, pattern: str = "*") -> dict[str, bytes]:
    """File name -> content of the small files in a folder, or of the one file at the address."""
    table = parse_address(address)
    reader = spark.read.format("binaryFile").option("pathGlobFilter", pattern)
    try:
        rows = reader.load(table.location).select("path", "content").collect()
    except AnalysisException:
        raise InputDataError(f"{table}: does not exist") from None
    return {row.path.rpartition("/")[2]: bytes(row.content) for row in rows}


def has_table(spark: SparkSession, address: str) -> bool:
    """Whether a Delta table stands at the address."""
    return bool(_history(spark, parse_address(address), limit=1))


def _history(spark: SparkSession, table: Address, limit: int) -> list[dict[str, Any]]:
    """Newest commits first; empty where the address holds no Delta table."""
    if table.format == "parquet":
        return []
    try:
        rows = spark.sql(f"DESCRIBE HISTORY {table.sql_name} LIMIT {limit}").collect()
    except AnalysisException as fault:
        if _means_no_delta(fault):
            return []
        raise
    return [row.asDict() for row in rows]


def _means_no_delta(fault: AnalysisException) -> bool:
    named = fault.getErrorClass() or ""
    return named.startswith("DELTA_") or named in {"TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND"}


def _commit_of(spark: SparkSession, table: Address, run_id: str) -> dict[str, Any]:
    commits = _history(spark, table, limit=_HISTORY_DEPTH)
    mine = next((commit for commit in commits if _run_id(commit) == run_id), None)
    if mine is None:
        raise OutputTableError(f"output {table}: other runs write there at the same time")
    return dict(mine["operationMetrics"])


def _run_id(commit: Mapping[str, Any]) -> str | None:
    try:
        written = json.loads(commit["userMetadata"] or "null")
    except ValueError:
        return None
    return written.get("run_id") if isinstance(written, dict) else None


def _open(spark: SparkSession, table: Address) -> DataFrame:
    if table.is_path:
        return spark.read.format("delta").load(table.location)
    return spark.table(table.location)


def _catalog_table(spark: SparkSession, table: Address, reader: Any = None) -> DataFrame:
    try:
        return (reader or spark.read).table(table.location)
    except AnalysisException:
        raise InputDataError(f"{table}: the catalog has no such table") from None


def _listing(spark: SparkSession, table: Address) -> list[str]:
    """Path, size and time of every file below a path or glob, without reading any."""
    files = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    try:
        rows = files.load(table.location).select("path", "length", "modificationTime").collect()
    except AnalysisException:
        raise InputDataError(f"{table}: does not exist") from None
    return sorted(f"{row.path} {row.length} {row.modificationTime}" for row in rows)


def _files(spark: SparkSession, table: Address) -> list[str]:
    """The listing of an input; InputDataError where it is empty."""
    listed = _listing(spark, table)
    if not listed:
        raise InputDataError(f"{table}: no file with content lies there")
    return listed


def _create(frame: DataFrame, table: Address, commit: Mapping[str, Any]) -> None:
    """Write a new table with its constraints, in one commit."""
    # To overwrite takes the place of a first write that died.
    writer = frame.write.format("delta").mode("overwrite").option("userMetadata", _json(commit))
    for columns, check in schemas.CHECKS.items():
        if set(columns) <= set(frame.columns):
            writer = writer.option(f"delta.constraints.{columns[0]}_is_valid", check)
    _save(writer, table)


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


def _save(writer: DataFrameWriter, table: Address) -> None:
    if table.is_path:
        writer.save(table.location)
    else:
        writer.saveAsTable(table.location)


def _check_columns(frame: DataFrame, table: Address, needed: StructType) -> None:
    there = {field.name: field.dataType for field in frame.schema}
    for field in needed:
        if field.name not in there:
            raise MissingColumnError(
                f"table {table} has no column {field.name!r}{nearest(field.name, there)}; "
                f"it has {', '.join(there) or 'none'}"
            )
        found = there[field.name].simpleString()
        if found != field.dataType.simpleString():
            raise InputDataError(
                f"table {table}: column {field.name!r} is {found}, "
                f"expected {field.dataType.simpleString()}"
            )


def _is_unfinished(spark: SparkSession, table: Address) -> bool:
    """Whether a first Delta write died before its commit: there is a log folder, but no version.

    To be asked of a path without history.
    """
    try:
        _listing(spark, Address(f"{table.location}/_delta_log", True, None))
    except InputDataError:
        return False
    return True


def _refuse_foreign_output(spark: SparkSession, table: Address) -> None:
    if not table.is_path or _is_unfinished(spark, table):
        return
    try:
        taken = bool(_listing(spark, table))
    except InputDataError:
        return
    if taken:
        raise OutputTableError(
            f"output {table} holds files that are no Delta table; "
            "give another output or remove them"
        )


def _write_parquet(frame: DataFrame, table: Address) -> int:
    local = table.location.removeprefix("file:")
    if not local.startswith("/"):
        frame.write.mode("overwrite").parquet(table.location)
    else:
        fresh = f"{local}.writing"
        frame.write.mode("overwrite").parquet(f"file:{fresh}")
        shutil.rmtree(local, ignore_errors=True)
        os.replace(fresh, local)
    written = frame.sparkSession.read.schema(frame.schema).parquet(table.location)
    return written.count()


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _json(commit: Mapping[str, Any]) -> str:
    return json.dumps(dict(commit), sort_keys=True)
