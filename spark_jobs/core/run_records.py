"""Lineage of a table: the runs that led to it, from the rows of the table `runs`."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from spark_jobs.core.addresses import place_of_address
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
    outputs = _places_written(records)
    by_index: dict[int, RunRecord] = {}
    pending = [(place_of_address(redacted(address)), len(records)) for address in addresses]
    while pending:
        place, before = pending.pop()
        index = _index_of_writer(outputs, place, before)
        if index is not None and index not in by_index:
            record = by_index[index] = records[index]
            pending += [(place_of_address(address), index) for address in record.inputs]
    return [by_index[index] for index in sorted(by_index)]


def writers_of_inputs(records: Sequence[RunRecord]) -> list[list[int]]:
    """For each run the indices of the runs that wrote its inputs, oldest first.

    `records`: oldest first; the writer is the newest earlier run that wrote to the address.
    """
    outputs = _places_written(records)
    writers_by_run = []
    for index, record in enumerate(records):
        places = (place_of_address(address) for address in record.inputs)
        writers = {_index_of_writer(outputs, place, index) for place in places}
        writers_by_run.append(sorted(writer for writer in writers if writer is not None))
    return writers_by_run


def _places_written(records: Sequence[RunRecord]) -> list[set[str]]:
    return [{place_of_address(address) for address in run.outputs.values()} for run in records]


def _index_of_writer(outputs: Sequence[set[str]], place: str, before: int) -> int | None:
    """Index of the newest run before `before` that wrote at a place."""
    return next((index for index in range(before - 1, -1, -1) if place in outputs[index]), None)
