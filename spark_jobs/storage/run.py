"""One run of a job: its reads and writes, and the provenance recorded with its outputs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.core import schemas
from spark_jobs.core.addresses import join_address, parse_address, table_name
from spark_jobs.core.arrow_mapping import MappedRows
from spark_jobs.core.draws import Draw
from spark_jobs.core.made_of import Content, MadeOf, Matching, TableState, all_draws, unused_purpose
from spark_jobs.core.redaction import redacted
from spark_jobs.core.schemas import ENTRY_IDS
from spark_jobs.storage import (
    extending,
    light_writes,
    small_reads,
    stored_groups,
    tables,
)
from spark_jobs.storage.catalog_states import is_undetermined
from spark_jobs.storage.conflicts import concurrent_write_error
from spark_jobs.storage.extending import AppendPoint
from spark_jobs.storage.history import PART_SUFFIX, run_mark
from spark_jobs.storage.worker_writes import WrittenFiles

Counts: TypeAlias = dict[str, int]


@dataclass(frozen=True)
class Run:
    """One run of a job: its identity, and its reads and writes.

    `inputs`: input address -> the version that this run reads; also settings file -> digest.
    `states`: input address -> state. `written`: output address -> version, for the outputs written
    so far.
    """

    spark: SparkSession
    job: str
    run_id: str
    settings_sha: str
    workspace: str
    inputs: dict[str, str]
    states: dict[str, TableState]
    written: dict[str, str] = field(default_factory=dict)
    _draws: list[str] = field(default_factory=list)

    def read(self, address: str, needed: StructType) -> DataFrame:
        """Read an input at this run's version, or an output at the version that it has written."""
        version = self.written.get(address) or self.inputs.get(address)
        return tables.read_table(self.spark, address, needed, version=version)

    def read_groups(self, address: str, columns: Sequence[str] | None = None) -> MappedRows | None:
        """The rows of a table as the workers read them; None if only Spark can read it."""
        version = self._delta_version(address)
        if version is None:
            return None
        return stored_groups.read_groups(self.spark, parse_address(address), version, columns)

    def first_rows(self, address: str, columns: Sequence[str], n: int) -> pa.Table | None:
        """The first rows of an input or output, for a glance; None if only Spark can read them."""
        version = self._delta_version(address)
        if version is None:
            return None
        return small_reads.first_rows(self.spark, parse_address(address), version, columns, n)

    def _delta_version(self, address: str) -> int | None:
        version = self.written.get(address) or self.inputs.get(address) or ""
        return int(version.split(":")[1]) if version.startswith("delta:") else None

    def reads_table(self, address: str) -> bool:
        """Whether an input is a table, of Delta or a catalog, rather than files."""
        return self.inputs[address].startswith("delta:") or not parse_address(address).is_path

    def draw(self, purpose: str, seed: int) -> Draw:
        """A draw for this run's rows, independent of all draws that selected them before.

        If an input's rows already went through a draw of this purpose, the new one is named e.g.
        `balance#2`: the same draw again would keep all rows that it kept before. The outputs record
        the draw.
        """
        used = all_draws(state.made_of for state in self.states.values())
        name = unused_purpose(purpose, used)
        if name not in self._draws:
            self._draws.append(name)
        return Draw(name, seed)

    @property
    def undetermined_inputs(self) -> list[str]:
        """The inputs whose versions do not identify their rows."""
        return [address for address, version in self.inputs.items() if is_undetermined(version)]

    @property
    def draws(self) -> list[str]:
        """The purposes of this run's own draws, in order."""
        return [*self._draws]

    @property
    def output_draws(self) -> tuple[str, ...]:
        """The purposes of all draws that selected the outputs' rows: those of the inputs first."""
        of_inputs = all_draws(state.made_of for state in self.states.values())
        return tuple(dict.fromkeys([*of_inputs, *self._draws]))

    def content(self, address: str) -> Content:
        """The content of an input as this run reads it, or of an output as it writes it."""
        state = self.states.get(address)
        mark = state.mark if state else run_mark(self.output_metadata(address))
        return Content(redacted(address), mark or "")

    def check_outputs(self, columns: Mapping[str, StructType]) -> None:
        """Check all outputs before the first is written; see `tables.check_output`."""
        for address, schema in columns.items():
            tables.check_output(self.spark, address, schema)

    def write(
        self,
        frame: DataFrame,
        address: str,
        *,
        matching: Matching | None = None,
        has_unique_keys: bool = False,
        few_files: bool = False,
    ) -> int:
        """Replace a table and return its number of rows.

        Records its provenance: the draws of all inputs and of this run, and `matching` for tables
        of matches and entry counts; the default is the bank that the inputs were matched against,
        if the rows have entry ids. `has_unique_keys`: it was checked that no key occurs twice.
        `few_files`: only a small part of the rows read may remain, so shuffle them into few files.
        """
        metadata = self._rows_metadata(address, frame.columns, matching, has_unique_keys)
        result = light_writes.write_table(frame, address, metadata, few_files=few_files)
        self.written[address] = result.version
        return result.rows

    def commit_files(
        self,
        written: WrittenFiles,
        address: str,
        *,
        matching: Matching | None = None,
        has_unique_keys: bool = False,
    ) -> int:
        """Replace a table by files that the workers wrote; returns its rows, as `write`."""
        columns = written.columns.names
        metadata = self._rows_metadata(address, columns, matching, has_unique_keys)
        result = written.commit(self.spark, metadata)
        self.written[address] = result.version
        return result.rows

    def _rows_metadata(
        self,
        address: str,
        columns: Sequence[str],
        matching: Matching | None,
        has_unique_keys: bool,
    ) -> dict[str, Any]:
        if matching is None and ENTRY_IDS in columns:
            matching = self._matching_of_inputs()
        return self.output_metadata(address, matching=matching, has_unique_keys=has_unique_keys)

    def append_point(self, address: str) -> AppendPoint:
        """The current append point of an output that is written in several commits."""
        return extending.append_point(self.spark, address)

    def commit_part(
        self,
        frame: DataFrame,
        address: str,
        after: AppendPoint,
        *,
        is_last: bool = False,
        replace: bool = False,
    ) -> AppendPoint | None:
        """Append rows to a table, or replace its rows; returns the new append point.

        Commits before the last have the run id `<id>.part`, so that an interrupted run never counts
        as up to date. None, with nothing written, if another run has written there since `after`.
        """
        part_run_id = {} if is_last else {"run_id": f"{self.run_id}{PART_SUFFIX}"}
        metadata = self.output_metadata(address) | part_run_id
        new_point = extending.commit_part(frame, address, metadata, after, replace=replace)
        if new_point is not None and new_point.version is not None:
            self.written[address] = new_point.version
        return new_point

    def write_parts(self, parts: Iterable[tuple[DataFrame, bool]], address: str) -> None:
        """Replace a table in several commits; `parts` are (rows, whether it is the last part).

        Raises OutputTableError if another run writes there meanwhile.
        """
        point = self.append_point(address)
        for number, (frame, is_last) in enumerate(parts):
            new_point = self.commit_part(
                frame, address, point, is_last=is_last, replace=number == 0
            )
            if new_point is None:
                raise concurrent_write_error(parse_address(address))
            point = new_point

    def _matching_of_inputs(self) -> Matching | None:
        """The matching that the inputs record, without its captions; None unless it is just one."""
        matchings = {state.made_of.matching for state in self.states.values()} - {None}
        without_captions = {replace(m, captions=None) for m in matchings if m is not None}
        return without_captions.pop() if len(without_captions) == 1 else None

    def has_unique_keys(self, address: str) -> bool:
        """Whether it is recorded of an input that no key occurs twice."""
        return self.states[address].made_of.has_unique_keys

    def output_metadata(self, address: str, **provenance: Any) -> dict[str, Any]:
        """Metadata of an output: the run, the table's name, and its provenance.

        `provenance`: fields of MadeOf besides the draws.
        """
        made_of = MadeOf(draws=self.output_draws, **provenance)
        return self.run_metadata() | {"table": table_name(address), "made_of": made_of.as_json()}

    def write_rejected(self, frame: DataFrame, *, part: str = "") -> None:
        """Append rows to the workspace's `rejected`; repeating the run appends no more.

        `part`: name of these rows in a run that rejects rows of several inputs, once of each.
        """
        light_writes.append_table(frame, self.rejected_address, self.run_metadata(), part=part)

    def read_rejected(self) -> DataFrame:
        """The rows of `rejected` from this run."""
        of_all_runs = tables.read_table(self.spark, self.rejected_address, schemas.REJECTED)
        return of_all_runs.where(of_all_runs[schemas.RUN_ID] == self.run_id)

    def write_decisions(self, frame: DataFrame) -> None:
        """Append rows to the workspace's `decisions`; repeating the run appends no more."""
        with_run = frame.select(
            F.lit(self.run_id).alias(schemas.RUN_ID), F.lit(self.job).alias(schemas.STEP), "*"
        )
        address = join_address(self.workspace, "decisions")
        rows = with_run.select(*schemas.DECISIONS.names)
        light_writes.append_table(rows, address, self.run_metadata())

    @property
    def rejected_address(self) -> str:
        """The address of the workspace's table of rejected rows, from all runs."""
        return join_address(self.workspace, "rejected")

    def run_metadata(self) -> dict[str, str]:
        """The part of a commit's userMetadata that identifies the run."""
        return {"run_id": self.run_id, "job": self.job, "settings_sha": self.settings_sha}
