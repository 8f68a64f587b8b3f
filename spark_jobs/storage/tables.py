"""The one place that reads and writes tables: Delta and parquet, by path or catalog name."""

import fnmatch
import hashlib
import json
import logging
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, DataFrameWriter, SparkSession
from pyspark.sql.types import StructType

from spark_jobs.core import schemas
from spark_jobs.core.addresses import Address, parse_address
from spark_jobs.core.errors import (
    InputDataError,
    MissingColumnError,
    OutputTableError,
    SettingsError,
)
from spark_jobs.core.made_of import MadeOf, TableState, all_draws
from spark_jobs.core.settings import nearest
from spark_jobs.storage.catalog_states import catalog_state
from spark_jobs.storage.conflicts import conflict_of, retried
from spark_jobs.storage.faults.spark import SPARK_FAULTS
from spark_jobs.storage.file_columns import refuse_other_columns
from spark_jobs.storage.file_lists import LITERAL_PATHS, ListedFile, list_files_at
from spark_jobs.storage.history import (
    KEPT_LOG,
    Commit,
    commits_until,
    delta_state,
    is_delta,
    mark_of,
)
from spark_jobs.storage.outputs.folder_marks import (
    files_in,
    marked_run_id,
    marks_behind,
    read_mark,
    write_mark,
)
from spark_jobs.storage.outputs.folder_swap import is_being_replaced, replaced_folder
from spark_jobs.storage.outputs.tables import check_delta, check_parquet
from udfs.json_files import plain_path
from udfs.opened_files import COMPRESSED, unpacked

_EXTENDING = "captionlake-extending"
_NO_CONTENT = "no file with content lies there"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Written:
    """What a write has put into a table: how many rows, and the version to read them by."""

    rows: int
    version: str


def input_version(spark: SparkSession, address: str) -> str:
    """The `version` of `table_state`."""
    return table_state(spark, address).version


def same_rows(version: str | None, other: str | None) -> bool:
    """Whether two versions of one table hold the same rows, though it was compacted between."""
    delta = (v.split(":", 2) if v and v.startswith("delta:") else [] for v in (version, other))
    marks = [parts[2:] for parts in delta]
    return version == other or (marks[0] == marks[1] != [])


def table_state(spark: SparkSession, address: str) -> TableState:
    """What stands at an address now, by one look at its history or listing of its files.

    The version is `delta:7:<mark>`, `files:3:<digest of names, sizes and times>`, or that of
    `catalog_states`. Raises InputDataError where nothing stands there.
    """
    table = parse_address(address)
    state = delta_state(spark, table)
    if state is not None:
        return state
    if not table.is_path:
        return catalog_state(spark, table, partial(table_state, spark))
    if _is_unfinished(spark, table):
        raise InputDataError(f"{table}: its first write never ended; run what writes it again")
    if is_being_replaced(table.location):
        raise InputDataError(f"{table}: its last write never ended; run what writes it again")
    return _folder_state(table, _files(spark, table))


def _folder_state(table: Address, files: Sequence[ListedFile]) -> TableState:
    """What stands in files; a whole folder that a run wrote says what it holds.

    Where its files are others now, or only some are read, nothing is known but the draws.
    """
    version = f"files:{len(files)}:{_digest(_lines(files))}"
    said = read_mark(table.location)
    if said is not None and said.get("files") == files_in(table.location):
        return TableState(version, mark_of(said) or version, MadeOf.of_json(said.get("made_of")))
    marks = [*([said] if said else []), *marks_behind(file.path for file in files)]
    draws = all_draws(MadeOf.of_json(mark.get("made_of")) for mark in marks)
    return TableState(version, version, MadeOf(draws=draws))


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
) -> Written:
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
    return retried(lambda: _write_delta(frame, table, commit, options), table)


def _write_delta(
    frame: DataFrame, table: Address, commit: Mapping[str, Any], options: Mapping[str, str]
) -> Written | None:
    """The same of a Delta table, once; None where others have taken its place meanwhile."""
    # By its own name a write is told from the same one by another program at the same time.
    write = uuid.uuid4().hex
    said = {**commit, "write": write}
    try:
        # Overwrite, not create: at a path a first write that died may have left a log without a
        # version, and of a name in the catalog Spark passes on no userMetadata where it creates.
        writer = frame.write.format("delta").mode("overwrite").options(**options)
        writer = writer.option("userMetadata", _json(said))
        if check_output(frame.sparkSession, str(table), frame.schema):
            # A transaction makes it a commit even where no file goes or comes, as of no rows.
            writer = writer.options(txnAppId=f"captionlake-{write}", txnVersion="1")
        else:
            writer = _with_properties(writer, frame.columns)
        _save(writer, table)
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
    writer = frame.write.format("delta").mode("append").option("userMetadata", _json(commit))
    writer = writer.option("txnAppId", f"captionlake-{commit['run_id']}").option("txnVersion", 1)
    writer = writer.option("mergeSchema", True)  # an older table may lack a column

    def write() -> bool:
        _save(writer, table)
        return True

    retried(write, table)


@dataclass(frozen=True)
class Extendable:
    """A table that is written in several commits, as it stands now.

    `version`: what to read it by, None where it is not there. `turn`: how many such commits it has
    had; of several runs that write the next one, a single one gets it.
    """

    version: str | None
    turn: int = 0


def extendable(spark: SparkSession, address: str) -> Extendable:
    """Where a run stands that is going to extend a table.

    Raises SettingsError where the address is of parquet, to which no commit can be added.
    """
    table = parse_address(address)
    if table.format == "parquet":
        raise SettingsError(
            f"output {address}: is written in several commits, for which parquet has no way; give "
            "a Delta table, the same address without parquet:"
        )
    commits = commits_until(spark, table, lambda commit: "turn" in commit.said)
    if not commits:
        return Extendable(None)
    turn = next((int(commit.said["turn"]) for commit in commits if "turn" in commit.said), 0)
    return Extendable(f"delta:{commits[0].version}:{commits[0].mark}", turn)


def extend_table(
    frame: DataFrame,
    address: str,
    commit: Mapping[str, Any],
    after: Extendable,
    *,
    replace: bool = False,
) -> Extendable | None:
    """Add rows to a Delta table, made where it is not there, or replace what it holds.

    Gives the table as it stands then, or None, with nothing written, where another run has extended
    it since `after`.
    """
    table, write = parse_address(address), uuid.uuid4().hex
    is_there = check_output(frame.sparkSession, address, frame.schema)
    writer = frame.write.format("delta")
    writer = writer.mode("append" if is_there and not replace else "overwrite")
    if not is_there:
        writer = _with_properties(writer, frame.columns)
    said = {**commit, "write": write, "turn": after.turn + 1}
    writer = writer.option("userMetadata", _json(said))
    # Delta passes over a transaction that is no newer than the last of its name, and refuses one
    # of two at the same time.
    writer = writer.options(txnAppId=_EXTENDING, txnVersion=after.turn + 1)
    try:
        _save(writer, table)
    except SPARK_FAULTS as fault:
        if conflict_of(fault) is None:
            raise
        return None
    mine = _commit_of(frame.sparkSession, table, write)
    if mine is None:
        return None
    return Extendable(f"delta:{mine.version}:{mine.mark}", after.turn + 1)


def last_run_id(spark: SparkSession, address: str) -> str | None:
    """The run that last changed the rows of a table; None where there is none to tell."""
    commits = commits_until(spark, parse_address(address), lambda commit: commit.changes_rows)
    return next((commit.run_id for commit in commits if commit.changes_rows), None)


def read_text(spark: SparkSession, address: str) -> str:
    """The whole of one small UTF-8 file, such as a concept bank, compressed or not."""
    try:
        return unpacked(read_bytes(spark, address)).decode("utf-8-sig")
    except COMPRESSED:
        raise InputDataError(f"{parse_address(address)}: is cut off") from None
    except UnicodeDecodeError as fault:
        table = parse_address(address)
        raise InputDataError(f"{table}: is no UTF-8 text (byte {fault.start})") from None


def read_bytes(spark: SparkSession, address: str) -> bytes:
    """The whole of one small file."""
    contents = list(read_folder(spark, address).values())
    if len(contents) != 1:
        found = f"{len(contents)} files with content lie there, expected one"
        raise InputDataError(f"{parse_address(address)}: {found if contents else _NO_CONTENT}")
    return contents[0]


def read_folder(
    spark: SparkSession, address: str, patterns: Sequence[str] = ("*",)
) -> dict[str, bytes]:
    """File name -> content of the small files in a folder, or of the one file at the address."""
    files = list_files_at(spark, parse_address(address).location)
    paths = [
        file.path
        for file in files
        if file.size and any(fnmatch.fnmatch(file.name, pattern) for pattern in patterns)
    ]
    reader = spark.read.format("binaryFile").options(**LITERAL_PATHS)
    rows = reader.load(paths).select("path", "content").collect() if paths else []
    return {row.path.rpartition("/")[2]: bytes(row.content) for row in rows}


def has_table(spark: SparkSession, address: str) -> bool:
    """Whether a Delta table stands at the address."""
    return is_delta(spark, parse_address(address))


def _written(spark: SparkSession, table: Address, write: str) -> Written | None:
    """The rows and version of what a write has just put into a Delta table, by its commit."""
    mine = _commit_of(spark, table, write)
    if mine is None:
        return None
    version = f"delta:{mine.version}:{mine.mark}"
    counted = mine.metrics.get("numOutputRows")  # a session may leave metrics out
    if counted is None:
        frame = read_table(spark, str(table), StructType(), version=version)
        return Written(frame.count(), version)
    return Written(int(counted), version)


def _commit_of(spark: SparkSession, table: Address, write: str) -> Commit | None:
    """The commit of a write by its name, however many have come since."""

    def is_mine(commit: Commit) -> bool:
        return commit.said.get("write") == write

    return next(filter(is_mine, commits_until(spark, table, is_mine)), None)


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
    return _lines(list_files_at(spark, table.location))


def _lines(files: Sequence[ListedFile]) -> list[str]:
    return [f"{file.path} {file.size} {file.modified}" for file in files]


def _files(spark: SparkSession, table: Address) -> list[ListedFile]:
    """The files of an input; InputDataError where all are empty."""
    files = list_files_at(spark, table.location)
    if not any(file.size for file in files):
        raise InputDataError(f"{table}: {_NO_CONTENT}")
    return files


def _with_properties(writer: DataFrameWriter, columns: Sequence[str]) -> DataFrameWriter:
    """What a new table gets: a log that is kept, and the constraints of its columns."""
    writer = writer.options(**KEPT_LOG)
    for checked, check in schemas.CHECKS.items():
        if set(checked) <= set(columns):
            writer = writer.option(f"delta.constraints.{checked[0]}_is_valid", check)
    return writer


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


def _check_files(spark: SparkSession, table: Address, needed: StructType) -> None:
    """The same of each file that others wrote: Spark takes the columns of one for those of all."""
    files = _files(spark, table)
    if len(files) > 1:
        refuse_other_columns(spark, files, needed)


def _is_unfinished(spark: SparkSession, table: Address) -> bool:
    """Whether a first Delta write died before its commit: there is a log folder, but no version.

    To be asked of a path without history.
    """
    try:
        _listing(spark, Address(f"{table.location}/_delta_log", True, None))
    except InputDataError:
        return False
    return True


def _refuse_names(table: Address, columns: StructType) -> None:
    """Raise OutputTableError for a column whose name Delta does not take."""
    for name in columns.names:
        if set(name) & set(schemas.NOT_IN_DELTA_NAMES):
            raise OutputTableError(
                f"output {table}: Delta takes no column called {name!r} (none of "
                f"{schemas.NOT_IN_DELTA_NAMES!r}); rename it, or write a folder of parquet: "
                f"parquet:{table}"
            )


def _write_parquet(frame: DataFrame, table: Address, commit: Mapping[str, Any]) -> Written:
    local = plain_path(table.location)
    if local.startswith("/"):
        with replaced_folder(f"parquet:{local}", commit) as staging:
            frame.write.mode("append").parquet(f"file:{staging}")
    else:
        frame.write.mode("overwrite").parquet(table.location)
        _mark_folder(table.location, commit)
    spark = frame.sparkSession
    rows = spark.read.schema(frame.schema).parquet(table.location).count()
    return Written(rows, table_state(spark, f"parquet:{table.location}").version)


def _mark_folder(folder: str, commit: Mapping[str, Any]) -> None:
    """Say in a hidden file what a folder holds, where its file system can be written to."""
    try:
        write_mark(folder, commit)
    except (OSError, ValueError) as fault:
        _log.warning("%s: it does not say what it was made of (%s)", folder, fault)


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _json(commit: Mapping[str, Any]) -> str:
    return json.dumps(dict(commit), sort_keys=True)
