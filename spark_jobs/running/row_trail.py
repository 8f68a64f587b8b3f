"""What the recorded runs of a workspace did with one row, whatever their jobs."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.core import schemas
from spark_jobs.core.addresses import join_address
from spark_jobs.core.columns import named
from spark_jobs.core.schemas import (
    BENCHMARK,
    CAPTION,
    CLASS,
    FAULT,
    GROUP,
    ITEM,
    KEPT,
    MEASURE,
    REASON,
    RULE,
    RUN_ID,
    SIMILARITY,
    THRESHOLD,
    UID,
    VALUE,
    WNID,
)
from spark_jobs.storage.old_versions import default_if_lost, read_recorded_version
from spark_jobs.storage.small_tables import Rows
from spark_jobs.storage.tables import has_table, read_table

X = TypeVar("X")

# Columns of outputs that say what became of a row, in the order of a line.
_TELLING = (
    *("status", "cause", "http_status", "message", REASON, FAULT, KEPT, GROUP, WNID, CLASS),
    *(SIMILARITY, BENCHMARK, ITEM, MEASURE, VALUE),
)
_MOST_ROWS = 3  # of a uid in one table that are shown


@dataclass
class RecordedRun:
    """A run, its settings, and the tables that it read and wrote, each opened once."""

    spark: SparkSession
    row: Mapping[str, Any]
    _tables: dict[str, DataFrame] = field(default_factory=dict)

    def read(self, address: str) -> DataFrame:
        """An input of the run in the version that it read."""
        return self._at(address, json.loads(self.row["inputs"])[address])

    def read_output(self, address: str) -> DataFrame:
        """An output of the run in the version that it wrote."""
        return self._at(address, self.written.get(address))

    @property
    def written(self) -> dict[str, str]:
        """Address of each output -> the version that the run wrote."""
        return json.loads(self.row[schemas.WRITTEN])  # type: ignore[no-any-return]

    def tables_with(self, column: str) -> Iterator[tuple[str, DataFrame]]:
        """(address, rows) of its outputs that are tables with a column and still there."""
        for address, version in self.written.items():
            if version.startswith(("delta:", "files:")):
                frame = default_if_lost(partial(self.read_output, address), None)
                if frame is not None and column in frame.columns:
                    yield address, frame

    def _at(self, address: str, version: str | None) -> DataFrame:
        key = f"{address} {version}"
        if key not in self._tables:
            self._tables[key] = read_recorded_version(self.spark, address, schemas.EMPTY, version)
        return self._tables[key]


class RowTrail:
    """The newest run of each job and output in a workspace, but for those of some jobs."""

    def __init__(
        self, spark: SparkSession, workspace: str, runs: Rows, left_out: Collection[str] = ()
    ) -> None:
        self._spark, self._workspace = spark, workspace
        newest: dict[tuple[str, str], Mapping[str, Any]] = {}
        for row in runs:  # in the order of their starts
            if row[schemas.JOB] not in left_out:
                key = row[schemas.JOB], row["outputs"]
                newest.pop(key, None)
                newest[key] = row
        self._runs = [RecordedRun(spark, row) for row in newest.values()]

    def lines(self, uid: str) -> list[str]:
        """A line for each run whose tables have uids; none if no run has seen this one."""
        decisions = self._by_run("decisions", schemas.DECISIONS, uid, _decision)
        reasons = self._by_run("rejected", schemas.REJECTED, uid, lambda row: row[REASON])
        lines, is_known = [], False
        for run in self._runs:
            effects = decisions.get(run.row[RUN_ID], [])
            decided = " ".join(effects)
            rejected = [r for r in reasons.get(run.row[RUN_ID], []) if r not in decided]
            effects += [f"rejected: {reason}" for reason in rejected]
            if len(effects) > 1:
                effects = [f"{len(effects)} rows of this uid, {', '.join(effects)}"]
            places, is_in_one = _places(run, uid)
            is_known |= bool(effects) or is_in_one
            if effects or places:
                lines.append(f"{run.row[schemas.JOB]}: {'; '.join([*effects, *places])}")
        return lines if is_known else []

    def uids_of_caption(self, caption: str, most: int) -> list[str]:
        """The first uids with a caption in the first table that has it."""
        for run in self._runs:
            for _, frame in run.tables_with(UID):
                if CAPTION in frame.columns:
                    uids = frame.where(F.col(CAPTION) == caption).select(UID).distinct()
                    first: Callable[[], list[Any]] = uids.orderBy(UID).limit(most).collect
                    rows: list[Any] = default_if_lost(first, [])
                    if rows:
                        return [row[UID] for row in rows]
        return []

    def _by_run(
        self, name: str, columns: StructType, uid: str, words: Callable[[Any], str]
    ) -> dict[str, list[str]]:
        """Run -> what a table of the workspace says about a uid."""
        address = join_address(self._workspace, name)
        if not has_table(self._spark, address):
            return {}
        rows = read_table(self._spark, address, columns).where(F.col(UID) == uid).distinct()
        by_run: dict[str, list[str]] = {}
        for row in rows.collect():
            by_run.setdefault(row[RUN_ID], []).append(words(row))
        return by_run


def _decision(row: Any) -> str:
    if row[KEPT]:
        return "kept"
    value, threshold = (
        f"{name} {row[column]:g}" if row[column] is not None else ""
        for name, column in (("value", VALUE), ("threshold", THRESHOLD))
    )
    figures = ", ".join(filter(None, (value, threshold)))
    return f"dropped by {row[RULE]}{f' ({figures})' if figures else ''}"


def _places(run: RecordedRun, uid: str) -> tuple[list[str], bool]:
    """Where among the run's tables a uid is, with what these say; whether it is in one."""
    places, is_in_one = [], False
    for address, frame in run.tables_with(UID):
        columns = [name for name in _TELLING if name in frame.columns]
        of_uid = frame.where(F.col(UID) == uid).select(UID, *map(named, columns))
        rows = default_if_lost(of_uid.limit(_MOST_ROWS + 1).collect, None)
        if rows is None:
            places.append(f"{address} has been changed since")
        elif not rows:
            places.append(f"not in {address}")
        else:
            is_in_one = True
            values = [_values(row, columns) for row in rows[:_MOST_ROWS]]
            values += ["…"] if len(rows) > _MOST_ROWS else []
            shown_values = " / ".join(filter(None, values))
            places.append(f"in {address}{f' ({shown_values})' if shown_values else ''}")
    return places, is_in_one


def _values(row: Any, columns: list[str]) -> str:
    values = ((name, row[name]) for name in columns if row[name] is not None)
    return ", ".join(f"{name} {_value(value)}" for name, value in values)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
