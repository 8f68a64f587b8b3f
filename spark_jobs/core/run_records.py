"""Which runs led to a table: from the table back to the first input, by the table `runs`."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from pyspark.sql import Row

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.redaction import redacted


@dataclass(frozen=True)
class RunRecord:
    """A row of the table `runs`, with its JSON read.

    `inputs`: address -> version. `outputs`: setting -> address. `draws`: the purposes of the draws
    that it made. `written`: address -> version, or a file's stamp. `started` is in UTC.
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
    def from_row(cls, row: Row) -> Self:
        """Read a row of schemas.RUNS."""
        parts = ("settings", "inputs", "outputs", "counts", "draws", "written")
        read = {name: json.loads(row[name]) for name in parts}
        plain = {name: row[name] for name in ("run_id", "job", "code", "seconds")}
        return cls(**read, **plain, started=row["started"].astimezone(UTC))


def runs_behind(records: Sequence[RunRecord], addresses: Iterable[str]) -> list[RunRecord]:
    """The runs that wrote these tables and all that these were made from, oldest first.

    A run has read what the last run before it wrote at the address. Records hold no credentials,
    so addresses are compared without.
    """
    found: dict[int, RunRecord] = {}
    wanted = [(parse_address(redacted(address)).location, len(records)) for address in addresses]
    while wanted:
        location, before = wanted.pop()
        position = _writer(records, location, before)
        if position is not None and position not in found:
            record = found[position] = records[position]
            wanted += [(parse_address(address).location, position) for address in record.inputs]
    return [found[position] for position in sorted(found)]


def _writer(records: Sequence[RunRecord], location: str, before: int) -> int | None:
    """The position of the last run, of those before a position, that wrote at the location."""
    for position in range(before - 1, -1, -1):
        written = records[position].outputs.values()
        if location in (parse_address(address).location for address in written):
            return position
    return None
