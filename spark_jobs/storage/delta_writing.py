"""What each write of a Delta table needs: what a new one gets, and its commit found again."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrameWriter, SparkSession

from spark_jobs.core import schemas
from spark_jobs.core.addresses import Address
from spark_jobs.storage.history import (
    KEEP_LOG,
    Commit,
    read_commits_until,
)


def with_new_table_options(writer: DataFrameWriter, columns: Sequence[str]) -> DataFrameWriter:
    """What a new table gets: a log that is kept, and the constraints of its columns."""
    writer = writer.options(**KEEP_LOG)
    for checked, check in schemas.CHECKS.items():
        if set(checked) <= set(columns):
            writer = writer.option(f"delta.constraints.{checked[0]}_is_valid", check)
    return writer


def save(writer: DataFrameWriter, table: Address) -> None:
    """Write to a path, or to a table of the catalog."""
    if table.is_path:
        writer.save(table.location)
    else:
        writer.saveAsTable(table.location)


def find_commit(spark: SparkSession, table: Address, write: str) -> Commit | None:
    """The commit of a write by its name, however many have come since."""

    def is_mine(commit: Commit) -> bool:
        return commit.said.get("write") == write

    return next(filter(is_mine, read_commits_until(spark, table, is_mine)), None)


def as_json(commit: Mapping[str, Any]) -> str:
    """A commit's userMetadata."""
    return json.dumps(dict(commit), sort_keys=True)
