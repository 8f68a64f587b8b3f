"""Read the table `runs` of a workspace."""

from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from spark_jobs.core import schemas
from spark_jobs.core.addresses import join_address
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.run_records import RunRecord
from spark_jobs.storage.small_tables import Rows, rows_equal_to

# Columns that older tables `runs` lack, and their empty values.
_ADDED_COLUMNS = {schemas.DRAWS: "[]", schemas.WRITTEN: "{}"}


def run_rows(spark: SparkSession, workspace: str) -> Rows:
    """All rows, those that started first in front; InputDataError if there is no table."""
    rows = _rows(spark, workspace)
    if rows is None:
        raise InputDataError(f"{join_address(workspace, 'runs')}: there is no table of runs")
    return rows


def newest_run(spark: SparkSession, workspace: str, **values: str) -> dict[str, Any] | None:
    """The row with these values, column=value, that started last; None if there is none."""
    rows = _rows(spark, workspace, **values)
    return rows[-1] if rows else None


def recorded_runs(spark: SparkSession, workspace: str) -> list[RunRecord]:
    """All runs of a workspace, oldest first; InputDataError if it has no table `runs`."""
    return [RunRecord.from_row(row) for row in run_rows(spark, workspace)]


def _rows(spark: SparkSession, workspace: str, **values: str) -> Rows | None:
    needed = StructType([field for field in schemas.RUNS if field.name not in _ADDED_COLUMNS])
    rows = rows_equal_to(spark, join_address(workspace, "runs"), needed, values)
    if rows is None:
        return None
    filled = [
        row | {name: row.get(name) or empty for name, empty in _ADDED_COLUMNS.items()}
        for row in rows
    ]
    return sorted(filled, key=lambda row: (row["started"], row[schemas.RUN_ID]))
