"""One run of a job: its reads and writes, and what its outputs say of where they come from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.core import schemas
from spark_jobs.core.addresses import join_address, parse_address, table_name
from spark_jobs.core.draws import Draw
from spark_jobs.core.made_of import Content, MadeOf, Matching, TableState, all_draws, unused_purpose
from spark_jobs.core.redaction import redacted
from spark_jobs.core.schemas import ENTRY_IDS
from spark_jobs.storage import extending, tables
from spark_jobs.storage.catalog_states import is_undetermined
from spark_jobs.storage.conflicts import concurrent_write_error
from spark_jobs.storage.extending import AppendPoint
from spark_jobs.storage.history import PART_SUFFIX

Counts: TypeAlias = dict[str, int]


@dataclass(frozen=True)
class Run:
    """One run of a job: who it is, and its reads and writes.

    `inputs` maps each input address to the version that this run reads, and the files that
    settings come from to their digests. `states`: what stands at the input addresses. `written`:
    the versions of the outputs that this run has written so far.
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
        """Read an input at this run's version, or an output as this run has written it."""
        version = self.written.get(address) or self.inputs.get(address)
        return tables.read_table(self.spark, address, needed, version=version)

    def draw(self, purpose: str, seed: int) -> Draw:
        """The draw of this run's rows, independent of all draws that chose them before.

        Where the rows of an input have been through a draw of the same purpose, this is another
        one, `balance#2`: to take those again that were kept for their small draws would be no draw
        at all. The outputs say that their rows have been through it.
        """
        used = all_draws(state.made_of for state in self.states.values())
        name = unused_purpose(purpose, used)
        if name not in self._draws:
            self._draws.append(name)
        return Draw(name, seed)

    @property
    def undetermined_inputs(self) -> list[str]:
        """The inputs of which it cannot be told what rows they have."""
        return [address for address, version in self.inputs.items() if is_undetermined(version)]

    @property
    def draws(self) -> list[str]:
        """The purposes of the draws that this run has made, in order."""
        return [*self._draws]

    @property
    def draws_behind(self) -> tuple[str, ...]:
        """The purposes of the draws that the rows of its outputs have been through, in order."""
        behind = all_draws(state.made_of for state in self.states.values())
        return tuple(dict.fromkeys([*behind, *self._draws]))

    def content(self, address: str) -> Content:
        """Which rows this run reads at an input's address."""
        return Content(redacted(address), self.states[address].mark)

    def check_outputs(self, columns: Mapping[str, StructType]) -> None:
        """Refuse outputs that hold something else, all of them before the first is written."""
        for address, schema in columns.items():
            tables.check_output(self.spark, address, schema)

    def write(
        self,
        frame: DataFrame,
        address: str,
        *,
        matching: Matching | None = None,
        has_unique_keys: bool = False,
        is_narrow: bool = False,
    ) -> int:
        """Replace a table and give its number of rows.

        It says what it was made of: the draws of all inputs and of this run, and `matching`, of
        matches and entry counts, by default the bank of the matches that are carried along.
        `has_unique_keys`: each key is known to be of one row. `is_narrow`: few of the rows read may
        be left, which then go into few files.
        """
        if matching is None and ENTRY_IDS in frame.columns:
            matching = self._bank_of_inputs()
        commit = self.output_metadata(address, matching=matching, has_unique_keys=has_unique_keys)
        written = tables.write_table(frame, address, commit, is_narrow=is_narrow)
        self.written[address] = written.version
        return written.rows

    def append_point(self, address: str) -> AppendPoint:
        """Where an output stands that the run is going to extend."""
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
        """Add rows to a table, or replace them; only the last commit tells that the run is done.

        None where another run has written there since `after`.
        """
        part = {} if is_last else {"run_id": f"{self.run_id}{PART_SUFFIX}"}
        commit = self.output_metadata(address) | part
        left = extending.commit_part(frame, address, commit, after, replace=replace)
        if left is not None and left.version is not None:
            self.written[address] = left.version
        return left

    def write_parts(self, parts: Iterable[tuple[DataFrame, bool]], address: str) -> None:
        """Replace a table in several commits: each part, and whether it is the last.

        Raises OutputTableError where another run writes there meanwhile.
        """
        stands = self.append_point(address)
        for number, (frame, is_last) in enumerate(parts):
            left = self.commit_part(frame, address, stands, is_last=is_last, replace=number == 0)
            if left is None:
                raise concurrent_write_error(parse_address(address))
            stands = left

    def _bank_of_inputs(self) -> Matching | None:
        """What was matched, where the inputs say it of one bank; in which captions is unknown."""
        known = {state.made_of.matching for state in self.states.values()} - {None}
        of_parts = {replace(matching, captions=None) for matching in known if matching is not None}
        return of_parts.pop() if len(of_parts) == 1 else None

    def has_unique_keys(self, address: str) -> bool:
        """Whether each key of an input is known to be of one row."""
        return self.states[address].made_of.has_unique_keys

    def output_metadata(self, address: str, **known: Any) -> dict[str, Any]:
        """What the commit of an output says of the run, and of what the rows were made of."""
        made_of = MadeOf(draws=self.draws_behind, **known)
        return self.run_metadata() | {"table": table_name(address), "made_of": made_of.as_json()}

    def write_rejected(self, frame: DataFrame) -> None:
        """Add rows to the workspace's `rejected`; once, however often the run is repeated."""
        tables.append_table(frame, self.rejected_address, self.run_metadata())

    def read_rejected(self) -> DataFrame:
        """The rows in `rejected` that are of this run."""
        every = tables.read_table(self.spark, self.rejected_address, schemas.REJECTED)
        return every.where(every[schemas.RUN_ID] == self.run_id)

    def write_decisions(self, frame: DataFrame) -> None:
        """Add rows to the workspace's `decisions`; once, however often the run is repeated."""
        told = frame.select(
            F.lit(self.run_id).alias(schemas.RUN_ID), F.lit(self.job).alias(schemas.STEP), "*"
        )
        address = join_address(self.workspace, "decisions")
        tables.append_table(told.select(*schemas.DECISIONS.names), address, self.run_metadata())

    @property
    def rejected_address(self) -> str:
        """The table of rows left out, of all runs of the workspace."""
        return join_address(self.workspace, "rejected")

    def run_metadata(self) -> dict[str, str]:
        """What a commit's userMetadata says of its run."""
        return {"run_id": self.run_id, "job": self.job, "settings_sha": self.settings_sha}
