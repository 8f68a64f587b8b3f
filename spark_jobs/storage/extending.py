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
from spark_jobs.storage.delta_writing import (
    find_commit,
    metadata_json,
    save,
    with_new_table_options,
)
from spark_jobs.storage.faults.spark import SPARK_FAULTS
from spark_jobs.storage.history import (
    read_commits_until,
)
from spark_jobs.storage.tables import check_output

_APP_ID = "captionlake-extending"


@dataclass(frozen=True)
class AppendPoint:
    """The state of a table that the next part commit builds on.

    `version`: what to read the table by, None if it does not exist. `n_commits`: how many part
    commits it has had; of several runs that try to make the next one, only one succeeds.
    """

    version: str | None
    n_commits: int = 0


def append_point(spark: SparkSession, address: str) -> AppendPoint:
    """The current append point of a table.

    Raises SettingsError for a parquet address, since parquet has no commits.
    """
    table = parse_address(address)
    if table.format == "parquet":
        raise SettingsError(
            f"output {address}: is written in several commits, for which parquet has no way; give "
            "a Delta table, the same address without parquet:"
        )
    commits = read_commits_until(spark, table, lambda commit: "turn" in commit.metadata)
    if not commits:
        return AppendPoint(None)
    turns = (int(commit.metadata["turn"]) for commit in commits if "turn" in commit.metadata)
    return AppendPoint(f"delta:{commits[0].version}:{commits[0].mark}", next(turns, 0))


def commit_part(
    frame: DataFrame,
    address: str,
    metadata: Mapping[str, Any],
    after: AppendPoint,
    *,
    replace: bool = False,
) -> AppendPoint | None:
    """Append rows to a Delta table, creating it if needed, or replace its rows by them.

    Returns the new append point, or None, with nothing written, if another run has made a part
    commit since `after`.
    """
    table, write_id = parse_address(address), uuid.uuid4().hex
    exists = check_output(frame.sparkSession, address, frame.schema)
    writer = frame.write.format("delta")
    writer = writer.mode("append" if exists and not replace else "overwrite")
    if not exists:
        writer = with_new_table_options(writer, frame.columns)
    n_commits = after.n_commits + 1
    commit_metadata = {**metadata, "write": write_id, "turn": n_commits}
    writer = writer.option("userMetadata", metadata_json(commit_metadata))
    # Delta silently skips a transaction whose version is not above the last one of its application,
    # and rejects one of two concurrent ones.
    writer = writer.options(txnAppId=_APP_ID, txnVersion=n_commits)
    try:
        save(writer, table)
    except SPARK_FAULTS as fault:
        if conflict_name(fault) is None:
            raise
        return None
    commit = find_commit(frame.sparkSession, table, write_id)
    if commit is None:
        return None
    return AppendPoint(f"delta:{commit.version}:{commit.mark}", n_commits)
