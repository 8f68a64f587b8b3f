"""Rows brought to the driver as Arrow batches, a partition at a time."""

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import BinaryType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from udfs.arrow_packing import serialised

_BATCH = "batch"
_BATCHES = StructType([StructField(_BATCH, BinaryType())])


def record_batches(rows: DataFrame, *, in_order: bool = False) -> Iterator[pa.RecordBatch]:
    """The rows in the batches that Spark hands to Python, `in_order` of the rows or in any.

    The driver holds one partition, packed, and a batch of it: no Python object for each value, as
    `toPandas` makes of lists, and not all rows at once, which spark.driver.maxResultSize limits.
    """
    packed = map_in_arrow(rows, serialised, _BATCHES)
    # The iterator takes one partition after the other: behind a shuffle that is only to read it.
    for row in (packed if in_order else packed.hint("rebalance")).toLocalIterator():
        with pa.ipc.open_stream(row[_BATCH]) as batches:
            yield from batches
