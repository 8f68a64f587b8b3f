"""Delta tables on this disk, read by the Python workers themselves, a row group at a time.

For jobs whose rows need not go back to Spark either: bringing rows to Python costs more than what
the jobs do with them.
"""

import os
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import IntegerType, StringType, StructField, StructType

from spark_jobs.core.addresses import Address
from spark_jobs.core.arrow_mapping import MappedRows
from spark_jobs.storage.batches import ROWS_AT_ONCE, rows_that_fit
from spark_jobs.storage.history import log_on_this_disk
from spark_jobs.storage.plain_columns import has_plain_columns
from spark_jobs.storage.table_log import AskDeltaError, DataFile
from udfs.row_groups import GROUP, PATH, read_row_groups

_GROUPS = StructType([StructField(PATH, StringType()), StructField(GROUP, IntegerType())])
_MOST_FILES = 1_000  # whose footers the driver reads
_TASK_BYTES = 256 << 20


def read_groups(
    spark: SparkSession, table: Address, version: int, names: Sequence[str] | None = None
) -> MappedRows | None:
    """The rows of a version of a table, with some columns or all; None if Spark has to read it."""
    try:
        log = log_on_this_disk(table)
        if log is None:
            return None
        log = log.at(version)
        files, columns = log.data_files(), log.schema()
        if names is not None:
            columns = StructType([columns[name] for name in names])
        if not files or len(files) > _MOST_FILES or not has_plain_columns(columns):
            return None
        footers = [pq.read_metadata(file.path) for file in files]
    except (AskDeltaError, KeyError, OSError, pa.ArrowException):
        return None
    if any(map(_has_old_times, footers)):
        return None
    row_bytes = max(f.size / max(1, n.num_rows) for f, n in zip(files, footers, strict=True))
    at_once = min(ROWS_AT_ONCE, rows_that_fit(row_bytes, is_compressed=True))
    groups = [
        (file.path, group)
        for file, footer in zip(files, footers, strict=True)
        for group in range(footer.num_row_groups)
    ]
    frame = spark.createDataFrame(groups, _GROUPS).repartition(_n_tasks(files, len(groups)))
    read = read_row_groups(to_arrow_schema(columns), at_once)
    return MappedRows(frame, read, columns)


def _has_old_times(footer: pq.FileMetaData) -> bool:
    """Whether a file has times as Spark writes them, or dates of the calendar before 1582.

    pyarrow 14 reads such times before 1970 wrong, and knows no other calendar.
    """
    columns = map(footer.schema.column, range(len(footer.schema)))
    has_int96 = any(column.physical_type == "INT96" for column in columns)
    return has_int96 or b"org.apache.spark.legacyDateTime" in (footer.metadata or {})


def _n_tasks(files: Sequence[DataFile], n_groups: int) -> int:
    n_bytes = sum(file.size for file in files)
    return max(1, min(n_groups, max(os.cpu_count() or 1, -(-n_bytes // _TASK_BYTES))))
