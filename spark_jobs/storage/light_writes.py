"""Write tables, small ones without Delta, whose own write takes seconds however few the rows.

A commit by Delta plans several queries over the table's log. Where few bytes are read, the workers
write the rows, and the driver writes the commit (`worker_writes`). A frame may still have many
rows, as one that a few of them are multiplied to: the workers hold those of one file at a time.
"""

import json
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import BinaryType, StructType

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import free_name
from spark_jobs.core.id_counts import PACKED
from spark_jobs.core.schemas import REJECTED
from spark_jobs.storage import tables
from spark_jobs.storage.batches import files_on_this_disk
from spark_jobs.storage.delta_writing import new_table_options
from spark_jobs.storage.tables import WriteResult
from spark_jobs.storage.worker_writes import (
    WITH_FILE,
    WrittenFiles,
    can_write,
    folder_of,
    remove_files,
)
from udfs.arrow import Batches
from udfs.id_counts import COUNTS, IDS, PART
from udfs.table_files import FILE, write_and_count

_MOST_FILES, _MOST_BYTES = 64, 1 << 24  # of what a small frame is read from
_LEFT_OUT_PART = -2  # part of the rows that tell how many rows were not written


def write_table(
    frame: DataFrame, address: str, metadata: Mapping[str, Any], *, few_files: bool = False
) -> WriteResult:
    """Replace a table by `frame` in one step, as `tables.write_table`."""
    written = _written(frame.repartition(1) if few_files else frame, address)
    if written is None:
        return tables.write_table(frame, address, metadata, few_files=few_files)
    return written.commit(frame.sparkSession, metadata)


def append_table(
    frame: DataFrame, address: str, metadata: Mapping[str, Any], *, part: str = ""
) -> None:
    """Append rows to a Delta table, as `tables.append_table`."""
    written = _written(frame, address, is_added=True)
    if written is None:
        tables.append_table(frame, address, metadata, part=part)
    else:
        written.commit(frame.sparkSession, metadata, tables.transaction_name(metadata, part))


def append_row(
    spark: SparkSession,
    row: Sequence[Any],
    columns: StructType,
    address: str,
    metadata: Mapping[str, Any],
) -> None:
    """Append one row to a Delta table, which is not large, as `append_table`."""
    table = parse_address(address)
    if not can_write(spark, table, columns, is_added=True):
        frame = spark.createDataFrame([tuple(row)], columns).coalesce(1)
        tables.append_table(frame, address, metadata)
        return
    values = dict(zip(columns.names, row, strict=True))
    rows = pa.RecordBatch.from_pylist([values], to_arrow_schema(columns))
    write_id = uuid.uuid4().hex
    write = write_and_count(folder_of(table), write_id, columns.names, _count_left_out(None))
    files = [json.loads(file) for batch in write([rows]) for file in batch[FILE].to_pylist()]
    written = WrittenFiles(table, columns, write_id, files, pd.DataFrame())
    written.commit(spark, metadata, tables.transaction_name(metadata))


def _written(frame: DataFrame, address: str, *, is_added: bool = False) -> WrittenFiles | None:
    """The files of a small frame; None, with nothing written, where Delta should write it.

    So it is too if a row breaks a constraint: Delta says which.
    """
    table, columns, spark = parse_address(address), frame.schema, frame.sparkSession
    if not can_write(spark, table, columns, is_added=is_added) or not _is_small(frame):
        return None
    write_id, is_valid = uuid.uuid4().hex, free_name(frame, "_is_valid")
    write = write_and_count(
        *(folder_of(table), write_id, columns.names, _count_left_out(is_valid)), where=is_valid
    )
    checked = frame.withColumn(is_valid, _validity(columns))
    try:
        task_rows = map_in_arrow(checked, write, StructType([*PACKED, WITH_FILE])).collect()
    except BaseException:
        remove_files(table, write_id)
        raise
    files = [json.loads(row[FILE]) for row in task_rows if row[FILE] is not None]
    written = WrittenFiles(table, columns, write_id, files, pd.DataFrame())
    if any(row[PART] == _LEFT_OUT_PART for row in task_rows):
        written.remove()
        return None
    return written


def _is_small(frame: DataFrame) -> bool:
    """Whether a frame is read from few bytes of this disk, and has no images."""
    if frame.schema != REJECTED and any(isinstance(f.dataType, BinaryType) for f in frame.schema):
        return False  # images may be fetched, however short their addresses
    files = files_on_this_disk(frame)
    if files is None or len(files) > _MOST_FILES:
        return False
    try:
        return sum(map(os.path.getsize, files)) <= _MOST_BYTES
    except OSError:
        return False


def _validity(columns: StructType) -> Any:
    """Whether a row meets the table's constraints; Delta refuses nulls as well."""
    conditions = [
        F.expr(condition)
        for name, condition in new_table_options(columns.names).items()
        if name.startswith("delta.constraints.")
    ]
    valid = F.lit(True)
    for condition in conditions:
        valid = valid & F.coalesce(condition, F.lit(False))
    return valid


def _count_left_out(is_written: str | None) -> Any:
    """For `write_and_count`: tells of a task's rows that were not written, if there are any."""

    def count(batches: Batches) -> Iterator[pa.RecordBatch]:
        left_out = False
        for batch in batches:
            left_out |= is_written is not None and not pc.all(batch[is_written]).as_py()
        if left_out:
            columns = [
                pa.array([_LEFT_OUT_PART], pa.int32()),
                *[pa.nulls(1, pa.binary())] * 2,
            ]
            yield pa.RecordBatch.from_arrays(columns, [PART, IDS, COUNTS])

    return count
