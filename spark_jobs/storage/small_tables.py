"""Rows of small Delta tables, such as `runs`: without Spark where they lie on the driver's disk."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.columns import named
from spark_jobs.storage.history import log_on_this_disk
from spark_jobs.storage.local_log import read_checked
from spark_jobs.storage.table_log import AskDeltaError
from spark_jobs.storage.tables import has_table, read_table

Rows = list[dict[str, Any]]
_MAX_FILES = 1_000


def rows_equal_to(
    spark: SparkSession, address: str, needed: StructType, values: Mapping[str, Any]
) -> Rows | None:
    """The rows of a Delta table with these values, column -> value; None if there is no table.

    Raises MissingColumnError or InputDataError, naming table and column, if a `needed` column is
    absent.
    """
    try:
        return _rows_on_this_disk(address, needed, values)
    except AskDeltaError:
        pass
    if not has_table(spark, address):
        return None
    frame = read_table(spark, address, needed)
    for name, value in values.items():
        frame = frame.where(named(name) == value)
    return [row.asDict() for row in frame.collect()]


def _rows_on_this_disk(address: str, needed: StructType, values: Mapping[str, Any]) -> Rows | None:
    log = log_on_this_disk(parse_address(address))
    if log is None:
        return None
    schema, files = log.schema(), log.data_files()
    if not set(needed.fields) <= set(schema.fields) or len(files) > _MAX_FILES:
        raise AskDeltaError(address)  # Spark names the column that is absent
    empty = dict.fromkeys(schema.names)  # a file written before a column was added lacks it
    rows = (empty | row for file in files for row in _rows_of_file(file.path))
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


@lru_cache(maxsize=_MAX_FILES)
def _rows_of_file(path: str) -> Rows:
    """The rows of a data file, which never changes; timestamps in UTC."""
    try:
        content = pa.BufferReader(read_checked(path))
        table = pq.read_table(content, coerce_int96_timestamp_unit="us")
    except (OSError, pa.ArrowException) as fault:
        raise AskDeltaError(path) from fault
    types = {
        field.name: pa.timestamp("us", "UTC") if pa.types.is_timestamp(field.type) else field.type
        for field in table.schema
    }
    rows: Rows = table.cast(pa.schema(types.items())).to_pylist()
    return rows
