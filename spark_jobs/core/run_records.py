"""Lineage of a table: the runs that led to it, from the rows of the table `runs`."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.redaction import redacted


@dataclass(frozen=True)
class RunRecord:
    """A row of the table `runs`, with its JSON parsed.

    `inputs`: address -> version. `outputs`: setting -> address. `draws`: purposes of the run's
    draws. `written`: address -> version, or a file's stamp. `started` is in UTC.
    """

    run_id: str
    job: str
    settings: dict[str, Any]
    inputs: dict[str, str]
    outputs: dict[str, str]
    counts: dict[str, int]
    code: str
    started: datetime
    seconds: float
    draws: list[str] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Parse a row of schemas.RUNS."""
        json_columns = ("settings", "inputs", "outputs", "counts", "draws", "written")
        parsed = {name: json.loads(row[name]) for name in json_columns}
        plain = {name: row[name] for name in ("run_id", "job", "code", "seconds")}
        return cls(**parsed, **plain, started=row["started"].astimezone(UTC))


def runs_behind(records: Sequence[RunRecord], addresses: Iterable[str]) -> list[RunRecord]:
    """The runs that wrote these tables and, recursively, the inputs of those runs, oldest first.

    `records`: oldest first. The writer of a run's input is the newest earlier run that wrote to the
    address. Records are redacted, so addresses are compared redacted.
    """
    by_index: dict[int, RunRecord] = {}
    pending = [(parse_address(redacted(address)).location, len(records)) for address in addresses]
    while pending:
        location, before = pending.pop()
        index = _index_of_writer(records, location, before)
        if index is not None and index not in by_index:
            record = by_index[index] = records[index]
            pending += [(parse_address(address).location, index) for address in record.inputs]
    return [by_index[index] for index in sorted(by_index)]


def writers_of_inputs(records: Sequence[RunRecord]) -> list[list[int]]:
    """For each run the indices of the runs that wrote its inputs, oldest first.

    `records`: oldest first; the writer is the newest earlier run that wrote to the address.
    """
    writers_by_run = []
    for index, record in enumerate(records):
        locations = (parse_address(address).location for address in record.inputs)
        writers = {_index_of_writer(records, location, index) for location in locations}
        writers_by_run.append(sorted(writer for writer in writers if writer is not None))
    return writers_by_run


def _index_of_writer(records: Sequence[RunRecord], location: str, before: int) -> int | None:
    """Index of the newest run before `before` that wrote `location`."""
    for index in range(before - 1, -1, -1):
        outputs = records[index].outputs.values()
        if location in (parse_address(address).location for address in outputs):
            return index
    return None
