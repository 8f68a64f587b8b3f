"""Batches of rows for Python that fit into memory, however long the captions are."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

ROWS_AT_ONCE = 10_000  # Spark's own value
# What limits the rows that Spark holds at once, and its own values.
_LIMITS = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": ROWS_AT_ONCE,
    "spark.sql.parquet.columnarReaderBatchSize": 4_096,
}
# In each task Spark's parquet reader holds four times that, six while its buffer grows, beside a
# page of the file, which is a hundred rows at least.
_BATCH_BYTES = 32 << 20
_MOST_COMPRESSION = 20  # times that snappy, Spark's own choice for parquet, makes text smaller


@contextmanager
def batches_that_fit(*frames: DataFrame) -> Iterator[None]:
    """Within it Spark reads the frames, tables as they stand, and hands them to Python, so cut.

    Spark 3.5 limits batches by their rows alone, and where the JVM's direct memory does not hold
    one, its task waits for ever. The session's limits stay unless the rows of some file are long on
    average: above 167 bytes as they are stored.
    """
    with contextlib.ExitStack() as stack:
        if frames:
            most = min(map(_rows_that_fit, frames))
            stack.enter_context(batches_of(frames[0].sparkSession, most))
        yield


@contextmanager
def batches_of(spark: SparkSession, most: int) -> Iterator[None]:
    """Within it Spark reads and hands to Python at most so many rows at once."""
    usual = {name: spark.conf.get(name, str(rows)) for name, rows in _LIMITS.items()}
    try:
        for name, rows in usual.items():
            spark.conf.set(name, str(min(int(rows or _LIMITS[name]), most)))
        yield
    finally:
        for name, rows in usual.items():
            spark.conf.set(name, str(rows))


def rows_that_fit(row_bytes: float, *, is_compressed: bool) -> int:
    """How many rows of so many bytes, as they are stored, a batch may have."""
    times = _MOST_COMPRESSION if is_compressed else 1
    return max(1, int(_BATCH_BYTES / max(times * row_bytes, 1.0)))


def _rows_that_fit(frame: DataFrame) -> int:
    # One number tells a file at a fraction of what its path, a string in every row, would cost.
    size, time = F.col("_metadata.file_size"), F.col("_metadata.file_modification_time")
    try:
        files = frame.groupBy(size + F.unix_micros(time)).agg(
            F.max(size).alias("size"), F.count("*").alias("n")
        )
        longest = files.agg(F.max(F.col("size") / F.col("n")).alias("bytes")).first()
    except AnalysisException:  # a view: its files are not known
        return max(_LIMITS.values())
    row_bytes = (longest["bytes"] if longest else None) or 1.0
    return rows_that_fit(row_bytes, is_compressed=True)
