"""Collect rows to the driver: few at once, or as Arrow batches, one partition at a time."""

import warnings
from collections.abc import Iterator

import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import BinaryType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from udfs.arrow_packing import serialised

_BATCH = "batch"
_BATCHES = StructType([StructField(_BATCH, BinaryType())])


def collected(rows: DataFrame) -> pd.DataFrame:
    """`toPandas`, without its warning, which has a trace, of a task that fails with a fault too."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "toPandas attempted Arrow optimization")
        return rows.toPandas()


def record_batches(rows: DataFrame, *, in_order: bool = False) -> Iterator[pa.RecordBatch]:
    """The rows as Arrow batches; with `in_order` in the order of the rows.

    The driver holds one serialised partition and one batch. Unlike `toPandas` this makes no Python
    object per value of a list, and spark.driver.maxResultSize does not limit the whole.
    """
    packed = map_in_arrow(rows, serialised, _BATCHES)
    # toLocalIterator runs the last stage one partition at a time: after a shuffle that stage only
    # reads, and the work runs in parallel before it.
    for row in (packed if in_order else packed.hint("rebalance")).toLocalIterator():
        with pa.ipc.open_stream(row[_BATCH]) as batches:
            yield from batches
