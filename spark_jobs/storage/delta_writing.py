"""Parts of every Delta write: options of a new table, saving, and finding the commit afterwards."""

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
from spark_jobs.storage.outputs.writers import WRITER


def new_table_options(columns: Sequence[str]) -> dict[str, str]:
    """The properties of a new table: log retention and the CHECK constraints of its columns."""
    checks = {
        f"delta.constraints.{constrained[0]}_is_valid": condition
        for constrained, condition in schemas.CHECKS.items()
        if set(constrained) <= set(columns)
    }
    return KEEP_LOG | checks


def with_new_table_options(writer: DataFrameWriter, columns: Sequence[str]) -> DataFrameWriter:
    """Set the properties of a new table."""
    return writer.options(**new_table_options(columns))


def save(writer: DataFrameWriter, table: Address) -> None:
    """Save to a path or to a catalog table.

    Raises OutputTableError if another program has taken over the folder on S3.
    """
    WRITER.refuse_if_taken(table.parent())
    if table.is_path:
        writer.save(table.location)
    else:
        writer.saveAsTable(table.location)


def find_commit(spark: SparkSession, table: Address, write_id: str) -> Commit | None:
    """The commit whose metadata has this write id, however many commits followed it."""

    def is_of_write(commit: Commit) -> bool:
        return commit.metadata.get("write") == write_id

    return next(filter(is_of_write, read_commits_until(spark, table, is_of_write)), None)


def metadata_json(metadata: Mapping[str, Any]) -> str:
    """Serialise a commit's userMetadata."""
    return json.dumps(dict(metadata), sort_keys=True)
