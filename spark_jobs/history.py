"""The commits of a Delta table: who wrote it, and which of them changed its rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import Row, SparkSession

from spark_jobs.addresses import Address
from spark_jobs.made_of import MadeOf, TableState

DEPTH = 20  # commits that one look at a table asks for
_DEEPER = 1000
# Operations after which the rows are what they were before.
_KEEPS_ROWS = {
    *("OPTIMIZE", "REORG", "VACUUM START", "VACUUM END", "COMPUTE STATS", "CLUSTER BY"),
    *("SET TBLPROPERTIES", "UNSET TBLPROPERTIES", "UPGRADE PROTOCOL", "DOMAIN METADATA CLEANUP"),
    *("ADD CONSTRAINT", "DROP CONSTRAINT", "ROW TRACKING BACKFILL", "DROP FEATURE"),
}


@dataclass(frozen=True)
class Commit:
    """A commit; `said`: what one of our runs wrote of itself, empty where another program wrote."""

    version: int
    operation: str
    time_ms: int
    metrics: dict[str, str]
    said: dict[str, Any]

    @property
    def run_id(self) -> str | None:
        """The run that wrote it."""
        return self.said.get("run_id")

    @property
    def changes_rows(self) -> bool:
        """Whether the table may hold other rows than before."""
        return self.operation not in _KEEPS_ROWS


def commits_of(spark: SparkSession, table: Address, limit: int = DEPTH) -> list[Commit]:
    """Newest commits first; empty where the address holds no Delta table."""
    if table.format == "parquet":
        return []
    try:
        rows = spark.sql(f"DESCRIBE HISTORY {table.sql_name} LIMIT {limit}").collect()
    except AnalysisException as fault:
        if _means_no_delta(fault):
            return []
        raise
    return [_commit(row) for row in rows]


def delta_state(spark: SparkSession, table: Address) -> TableState | None:
    """What stands in a Delta table now; None where the address holds none."""
    commits = commits_of(spark, table)
    if len(commits) == DEPTH and not any(c.changes_rows and c.run_id for c in commits):
        commits = commits_of(spark, table, _DEEPER)
    return state_of(commits) if commits else None


def state_of(commits: Sequence[Commit]) -> TableState:
    """What the commits of a table, newest first, make it hold.

    Its rows are those of the newest commit that changed any. Where another program made that one,
    nothing is known but the draws that the rows before it had been through.
    """
    changing = [commit for commit in commits if commit.changes_rows]
    last = changing[0] if changing else commits[-1]
    ours = next((commit for commit in changing if commit.run_id), None)
    made_of = MadeOf() if ours is None else MadeOf.of_json(ours.said.get("made_of"))
    if ours is not last:
        made_of = MadeOf(draws=made_of.draws)
    mark = mark_of(last.said) or f"{last.version}@{last.time_ms}"
    return TableState(f"delta:{commits[0].version}:{mark}", mark, made_of)


def mark_of(said: dict[str, Any]) -> str | None:
    """What tells the rows that a run wrote from all others: the run, and which of its tables."""
    run_id = said.get("run_id")
    return f"{run_id}:{said.get('table')}" if run_id else None


def _commit(row: Row) -> Commit:
    return Commit(
        version=row["version"],
        operation=row["operation"],
        time_ms=int(row["timestamp"].timestamp() * 1000),
        metrics=row["operationMetrics"] or {},
        said=_said(row["userMetadata"]),
    )


def _said(metadata: str | None) -> dict[str, Any]:
    try:
        said = json.loads(metadata or "null")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _means_no_delta(fault: AnalysisException) -> bool:
    named = fault.getErrorClass() or ""
    return named.startswith("DELTA_") or named in {"TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND"}
