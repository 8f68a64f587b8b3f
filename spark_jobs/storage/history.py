"""The commits of a Delta table: who wrote it, and which of them changed its rows."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from spark_jobs.core.addresses import Address
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.made_of import MadeOf, TableState
from spark_jobs.storage.faults.spark import SPARK_FAULTS, to_curation_error

N_RECENT_COMMITS = 20  # commits that one look at a table asks for
_DEEPER = 1000
PART_SUFFIX = ".part"  # the end of the run id in the commits of a run that is not done
# The log says what the rows were made of; it grows by a small file with each write. Delta takes
# such an option when it makes a table, and no later.
KEEP_LOG = {"delta.logRetentionDuration": "interval 36500 days"}
_log = logging.getLogger(__name__)
# Operations after which the rows are what they were before.
_KEEPS_ROWS = {
    *("OPTIMIZE", "REORG", "VACUUM START", "VACUUM END", "COMPUTE STATS", "CLUSTER BY"),
    *("SET TBLPROPERTIES", "UNSET TBLPROPERTIES", "UPGRADE PROTOCOL", "DOMAIN METADATA CLEANUP"),
    *("ADD CONSTRAINT", "DROP CONSTRAINT", "ROW TRACKING BACKFILL", "DROP FEATURE"),
}
# What Delta and Spark say where an address holds no Delta table.
_NO_DELTA = {
    *("TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND", "NOT_SUPPORTED_COMMAND_FOR_V2_TABLE"),
    *("_LEGACY_ERROR_TEMP_1013", "EXPECT_TABLE_NOT_VIEW", "FORBIDDEN_OPERATION"),  # of a view
}


@dataclass(frozen=True)
class Commit:
    """A commit; `said`: what one of our runs wrote of itself, empty where another program wrote."""

    version: int
    operation: str
    time_ms: int
    metrics: dict[str, str]
    said: dict[str, Any]
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def run_id(self) -> str | None:
        """The run that wrote it."""
        return self.said.get("run_id")

    @property
    def is_ours(self) -> bool:
        """Whether one of our runs wrote it."""
        return self.run_id is not None

    @property
    def mark(self) -> str:
        """What tells the rows after it from all others."""
        return run_mark(self.said) or f"{self.version}@{self.time_ms}"

    @property
    def replaces_rows(self) -> bool:
        """Whether it was an overwrite of the whole table."""
        return self.operation == "WRITE" and self.parameters.get("mode") == "Overwrite"

    @property
    def changes_rows(self) -> bool:
        """Whether the table may hold other rows than before."""
        return self.operation not in _KEEPS_ROWS


def read_commits(
    spark: SparkSession, table: Address, limit: int = N_RECENT_COMMITS
) -> list[Commit]:
    """Newest commits first; empty where the address holds no Delta table.

    Raises CurationError, naming the table, where its log cannot be read.
    """
    if table.format == "parquet":
        return []
    try:
        rows = _history(spark, table, limit).collect()
    except SPARK_FAULTS as fault:
        if isinstance(fault, AnalysisException) and _means_no_delta(fault):
            return []
        raise to_curation_error(fault, str(table)) from fault
    return [_commit(row) for row in rows]


def is_delta(spark: SparkSession, table: Address) -> bool:
    """Whether the address holds a Delta table; a tenth of what a look at its history takes."""
    if table.format == "parquet":
        return False
    try:
        (row,) = spark.sql(f"DESCRIBE DETAIL {table.sql_name}").select("format").collect()
    except AnalysisException as fault:
        if _means_no_delta(fault):
            return False
        raise
    return bool(row["format"] == "delta")


def delta_state(spark: SparkSession, table: Address) -> TableState | None:
    """What stands in a Delta table now; None where the address holds none."""
    commits = read_commits_until(
        spark, table, lambda commit: commit.changes_rows and commit.is_ours
    )
    last = next((commit for commit in commits if commit.changes_rows), None)
    if last is not None and (last.run_id or "").endswith(PART_SUFFIX):
        raise InputDataError(f"{table}: its last write never ended; run what writes it again")
    if not commits:
        return None
    if commits[-1].version > 0 and not any(c.changes_rows and c.is_ours for c in commits):
        _log.warning(
            "table %s: its log begins at version %d, so it is not known whether its rows have been "
            "drawn before; a draw may be one that chose them already",
            *(table, commits[-1].version),
        )
    return state_from_commits(commits, lambda: _digest_of_rows(spark, table, commits[0].version))


def read_commits_until(
    spark: SparkSession, table: Address, is_enough: Callable[[Commit], bool]
) -> list[Commit]:
    """Newest commits first, back to one that is enough as far as the log has it."""
    commits = read_commits(spark, table)
    if len(commits) == N_RECENT_COMMITS and not any(map(is_enough, commits)):
        return read_commits(spark, table, _DEEPER)
    return commits


def state_from_commits(commits: Sequence[Commit], digest_of_rows: Callable[[], str]) -> TableState:
    """What the commits of a table, newest first, make it hold.

    Its rows are those of the newest commit that changed any. Where another program made that one,
    nothing is known but the draws that the rows before it had been through. Where the log has lost
    it, the rows themselves are the mark: any commit that is left will be lost in its turn.
    """
    changing = [commit for commit in commits if commit.changes_rows]
    if not changing:
        mark = digest_of_rows()
        return TableState(f"delta:{commits[0].version}:{mark}", mark)
    last = changing[0]
    ours = next((commit for commit in changing if commit.is_ours), None)
    made_of = MadeOf() if ours is None else MadeOf.from_json(ours.said.get("made_of"))
    if ours is not last:
        made_of = MadeOf(draws=made_of.draws)
    return TableState(f"delta:{commits[0].version}:{last.mark}", last.mark, made_of)


def run_mark(said: dict[str, Any]) -> str | None:
    """What tells the rows that a run wrote from all others: the run, and which of its tables.

    None for a part of a run's rows, since all its parts are of that run.
    """
    run_id = said.get("run_id")
    return f"{run_id}:{said.get('table')}" if run_id and not run_id.endswith(PART_SUFFIX) else None


def _digest_of_rows(spark: SparkSession, table: Address, version: int) -> str:
    """The same for the same rows in any order and any files. A pass over all columns."""
    rows = spark.sql(f"SELECT * FROM {table.sql_name} VERSION AS OF {version}")
    hashed = F.xxhash64(F.to_json(F.struct("*"), {"timeZone": "UTC"})).cast("decimal(38,0)")
    n, total = rows.agg(F.count(F.lit(1)), F.sum(hashed)).collect()[0]
    content = f"{rows.schema.simpleString()} {n} {total}"
    return f"rows-{sha256(content.encode()).hexdigest()[:16]}"


def _history(spark: SparkSession, table: Address, limit: int) -> DataFrame:
    # Milliseconds, since a time without zone is another one on each driver and stands twice in
    # the hour in which clocks are put back.
    rows = spark.sql(f"DESCRIBE HISTORY {table.sql_name} LIMIT {limit}")
    columns = ("version", "operation", "operationParameters", "operationMetrics", "userMetadata")
    return rows.select(*columns, F.unix_millis("timestamp").alias("time_ms"))


def _commit(row: Row) -> Commit:
    return Commit(
        version=row["version"],
        operation=row["operation"],
        time_ms=row["time_ms"],
        metrics=row["operationMetrics"] or {},
        said=_said(row["userMetadata"]),
        parameters=row["operationParameters"] or {},
    )


def _said(metadata: str | None) -> dict[str, Any]:
    try:
        said = json.loads(metadata or "null")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _means_no_delta(fault: AnalysisException) -> bool:
    named = fault.getErrorClass() or ""
    return named.startswith("DELTA_") or named.partition(".")[0] in _NO_DELTA
