"""Tables that are written in several commits, by runs that take turns."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import (
    SettingsError,
)
from spark_jobs.storage.conflicts import conflict_name
from spark_jobs.storage.delta_writing import as_json, find_commit, save, with_new_table_options
from spark_jobs.storage.faults.spark import SPARK_FAULTS
from spark_jobs.storage.history import (
    read_commits_until,
)
from spark_jobs.storage.tables import check_output

_EXTENDING = "captionlake-extending"


@dataclass(frozen=True)
class AppendPoint:
    """A table that is written in several commits, as it stands now.

    `version`: what to read it by, None where it is not there. `turn`: how many such commits it has
    had; of several runs that write the next one, a single one gets it.
    """

    version: str | None
    turn: int = 0


def append_point(spark: SparkSession, address: str) -> AppendPoint:
    """Where a run stands that is going to extend a table.

    Raises SettingsError where the address is of parquet, to which no commit can be added.
    """
    table = parse_address(address)
    if table.format == "parquet":
        raise SettingsError(
            f"output {address}: is written in several commits, for which parquet has no way; give "
            "a Delta table, the same address without parquet:"
        )
    commits = read_commits_until(spark, table, lambda commit: "turn" in commit.said)
    if not commits:
        return AppendPoint(None)
    turn = next((int(commit.said["turn"]) for commit in commits if "turn" in commit.said), 0)
    return AppendPoint(f"delta:{commits[0].version}:{commits[0].mark}", turn)


def commit_part(
    frame: DataFrame,
    address: str,
    commit: Mapping[str, Any],
    after: AppendPoint,
    *,
    replace: bool = False,
) -> AppendPoint | None:
    """Add rows to a Delta table, made where it is not there, or replace what it holds.

    Gives the table as it stands then, or None, with nothing written, where another run has extended
    it since `after`.
    """
    table, write = parse_address(address), uuid.uuid4().hex
    is_there = check_output(frame.sparkSession, address, frame.schema)
    writer = frame.write.format("delta")
    writer = writer.mode("append" if is_there and not replace else "overwrite")
    if not is_there:
        writer = with_new_table_options(writer, frame.columns)
    said = {**commit, "write": write, "turn": after.turn + 1}
    writer = writer.option("userMetadata", as_json(said))
    # Delta passes over a transaction that is no newer than the last of its name, and refuses one
    # of two at the same time.
    writer = writer.options(txnAppId=_EXTENDING, txnVersion=after.turn + 1)
    try:
        save(writer, table)
    except SPARK_FAULTS as fault:
        if conflict_name(fault) is None:
            raise
        return None
    mine = find_commit(frame.sparkSession, table, write)
    if mine is None:
        return None
    return AppendPoint(f"delta:{mine.version}:{mine.mark}", after.turn + 1)
