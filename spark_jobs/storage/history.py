"""The commits of a Delta table: which run made them, and which of them changed its rows."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.core.addresses import Address
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.made_of import MadeOf, TableState
from spark_jobs.core.spark_connect import is_remote
from spark_jobs.storage.catalog_details import PROVIDER, catalog_details
from spark_jobs.storage.faults.causes import condition_of
from spark_jobs.storage.faults.spark import SPARK_FAULTS, to_curation_error
from spark_jobs.storage.local_log import local_log
from spark_jobs.storage.session import reads_local_paths
from spark_jobs.storage.spark_log import log_by_spark
from spark_jobs.storage.table_log import AskDeltaError, TableLog

N_RECENT_COMMITS = 20  # read first; enough for most questions
_MAX_COMMITS = 1000
PART_SUFFIX = ".part"  # of the run id in the commits of a run before its last one
# The log records what the rows were made of, and grows by only a small file with each write. Delta
# takes this writer option only when it creates the table.
KEEP_LOG = {"delta.logRetentionDuration": "interval 36500 days"}
_log = logging.getLogger(__name__)
# Operations that leave the rows as they were.
_KEEPS_ROWS = {
    *("OPTIMIZE", "REORG", "VACUUM START", "VACUUM END", "COMPUTE STATS", "CLUSTER BY"),
    *("SET TBLPROPERTIES", "UNSET TBLPROPERTIES", "UPGRADE PROTOCOL", "DOMAIN METADATA CLEANUP"),
    *("ADD CONSTRAINT", "DROP CONSTRAINT", "ROW TRACKING BACKFILL", "DROP FEATURE"),
    *("ROW TRACKING UNBACKFILL", "REORG TABLE UPGRADE UNIFORM", "REMOVE COLUMN MAPPING"),
}
# Error conditions of Delta and Spark for an address without a Delta table.
_NO_DELTA = {
    *("TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND", "PATH_NOT_FOUND"),
    *("DELTA_MISSING_DELTA_TABLE", "DELTA_NOT_A_DELTA_TABLE", "DELTA_PATH_DOES_NOT_EXIST"),
    *("DELTA_TABLE_NOT_FOUND", "DELTA_ONLY_OPERATION", "DELTA_TABLE_ONLY_OPERATION"),
    "DELTA_NO_RELATION_TABLE",
    "NOT_SUPPORTED_COMMAND_FOR_V2_TABLE",
    *("_LEGACY_ERROR_TEMP_1013", "EXPECT_TABLE_NOT_VIEW", "FORBIDDEN_OPERATION"),  # of a view
}


@dataclass(frozen=True)
class Commit:
    """A Delta commit; `metadata`: its userMetadata, empty if another program made the commit."""

    version: int
    operation: str
    time_ms: int
    metrics: dict[str, str]
    metadata: dict[str, Any]
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def run_id(self) -> str | None:
        """The run that made it; None if another program did."""
        return self.metadata.get("run_id")

    @property
    def is_ours(self) -> bool:
        """Whether a run of captionlake made it."""
        return self.run_id is not None

    @property
    def mark(self) -> str:
        """Identifies the rows that the table has after this commit."""
        return run_mark(self.metadata) or f"{self.version}@{self.time_ms}"

    @property
    def replaces_rows(self) -> bool:
        """Whether it overwrote the whole table."""
        return self.operation == "WRITE" and self.parameters.get("mode") == "Overwrite"

    @property
    def changes_rows(self) -> bool:
        """Whether the table may have other rows than before."""
        return self.operation not in _KEEPS_ROWS


def read_commits(
    spark: SparkSession, table: Address, limit: int = N_RECENT_COMMITS
) -> list[Commit]:
    """The last commits, newest first; empty if the address has no Delta table.

    Raises CurationError, naming the table, if its log cannot be read.
    """
    if table.format == "parquet":
        return []
    try:
        log = table_log(spark, table)
        return [] if log is None else [_commit(*commit) for commit in log.last_commits(limit)]
    except AskDeltaError:
        return _commits_by_spark(spark, table, limit)


def _commits_by_spark(spark: SparkSession, table: Address, limit: int) -> list[Commit]:
    try:
        # All columns, since selecting some of a command's result takes another Spark job.
        rows = spark.sql(f"DESCRIBE HISTORY {table.sql_name} LIMIT {limit}").collect()
    except SPARK_FAULTS as fault:
        if _means_no_delta(fault):
            return []
        raise to_curation_error(fault, str(table)) from fault
    return [_commit(*_as_logged(row)) for row in rows]


def table_log(spark: SparkSession, table: Address) -> TableLog | None:
    """The table's log, from this disk or from a server's; None if there is no Delta table.

    Raises AskDeltaError where neither can read it, or it is not plain.
    """
    if is_remote(spark):
        return log_by_spark(spark, table)
    return log_on_this_disk(table)


def log_on_this_disk(table: Address) -> TableLog | None:
    """The table's log on the driver's disk; None if there is no Delta table.

    Raises AskDeltaError where paths are of another file system, or the log is not plain.
    """
    if not reads_local_paths():
        raise AskDeltaError(table.location)
    return local_log(table)


def delta_schema(spark: SparkSession, table: Address) -> StructType | None:
    """The columns of the Delta table at an address, from its log alone; None if it has none.

    DESCRIBE DETAIL would count the table's files, which takes four Spark jobs after each commit.
    """
    if table.format == "parquet":
        return None
    try:
        log = log_on_this_disk(table)
        return None if log is None else log.schema()
    except AskDeltaError:
        return _schema_by_spark(spark, table)


def _schema_by_spark(spark: SparkSession, table: Address) -> StructType | None:
    try:
        if not table.is_path and not _is_delta_in_catalog(spark, table):
            return None
        return spark.sql(f"SELECT * FROM {table.sql_name} LIMIT 0").schema
    except SPARK_FAULTS as fault:
        if _means_no_delta(fault):
            return None
        raise


def _is_delta_in_catalog(spark: SparkSession, table: Address) -> bool:
    return catalog_details(spark, table).get(PROVIDER) == "delta"


def delta_state(spark: SparkSession, table: Address) -> TableState | None:
    """The current state of a Delta table; None if the address has none.

    Raises InputDataError if the run that last wrote it did not finish.
    """
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
    spark: SparkSession, table: Address, is_wanted: Callable[[Commit], bool]
) -> list[Commit]:
    """The last commits, newest first; further back if none of the recent ones is wanted."""
    commits = read_commits(spark, table)
    if len(commits) == N_RECENT_COMMITS and not any(map(is_wanted, commits)):
        return read_commits(spark, table, _MAX_COMMITS)
    return commits


def state_from_commits(commits: Sequence[Commit], digest_of_rows: Callable[[], str]) -> TableState:
    """The state of a table from its commits, newest first.

    The newest commit that changed rows determines them. If another program made it, only the draws
    of the newest run are kept from what the table was made of. If the log no longer has such a
    commit, a digest of the rows is the mark: commits still in the log will be removed in turn.
    """
    row_changes = [commit for commit in commits if commit.changes_rows]
    if not row_changes:
        mark = digest_of_rows()
        return TableState(f"delta:{commits[0].version}:{mark}", mark)
    last = row_changes[0]
    last_ours = next((commit for commit in row_changes if commit.is_ours), None)
    made_of = MadeOf()
    if last_ours is not None:
        made_of = MadeOf.from_json(last_ours.metadata.get("made_of"))
    if last_ours is not last:
        made_of = MadeOf(draws=made_of.draws)
    return TableState(f"delta:{commits[0].version}:{last.mark}", last.mark, made_of)


def run_mark(metadata: dict[str, Any]) -> str | None:
    """The mark of rows that a run wrote: run id and table name.

    None for an intermediate commit of a run, whose commits would all get the same mark.
    """
    run_id = metadata.get("run_id")
    if not run_id or run_id.endswith(PART_SUFFIX):
        return None
    return f"{run_id}:{metadata.get('table')}"


def _digest_of_rows(spark: SparkSession, table: Address, version: int) -> str:
    """Digest of a table's rows, independent of their order and files. Reads all columns."""
    rows = spark.sql(f"SELECT * FROM {table.sql_name} VERSION AS OF {version}")
    hashed = F.xxhash64(F.to_json(F.struct("*"), {"timeZone": "UTC"})).cast("decimal(38,0)")
    n_rows, hash_sum = rows.agg(F.count(F.lit(1)), F.sum(hashed)).collect()[0]
    content = f"{rows.schema.simpleString()} {n_rows} {hash_sum}"
    return f"rows-{sha256(content.encode()).hexdigest()[:16]}"


def _commit(version: int, time_ms: int, info: Mapping[str, Any]) -> Commit:
    """A commit from its commitInfo, as Delta's log has it."""
    return Commit(
        version=version,
        operation=info.get("operation") or "",
        time_ms=time_ms,
        metrics=info.get("operationMetrics") or {},
        metadata=_parse_metadata(info.get("userMetadata")),
        parameters=info.get("operationParameters") or {},
    )


def _as_logged(row: Row) -> tuple[int, int, dict[str, Any]]:
    """Version, time in ms and commitInfo from a row of DESCRIBE HISTORY."""
    # Since the epoch: a local timestamp depends on the driver's time zone.
    time_ms = round(row["timestamp"].timestamp() * 1000)
    return row["version"], time_ms, row.asDict()


def _parse_metadata(text: Any) -> dict[str, Any]:
    try:
        metadata = json.loads(text or "null")
    except ValueError:
        return {}
    return metadata if isinstance(metadata, dict) else {}


def _means_no_delta(fault: BaseException) -> bool:
    condition = condition_of(fault) or ""
    return condition.partition(".")[0] in _NO_DELTA
