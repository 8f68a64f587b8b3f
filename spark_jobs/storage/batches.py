"""Limit the batches of rows that Spark hands to Python, so that long captions fit in memory."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.storage.faults.spark import SPARK_FAULTS
from spark_jobs.storage.session import reads_local_paths
from spark_jobs.storage.session_settings import at_most

ROWS_AT_ONCE = 10_000  # Spark's default
# The settings that limit the rows of a batch, with Spark's defaults.
_LIMITS = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": ROWS_AT_ONCE,
    "spark.sql.parquet.columnarReaderBatchSize": 4_096,
}
# Per task the vectorised parquet reader allocates about 4x this (6x while growing its buffer) plus
# one parquet page (>= 100 rows).
_BATCH_BYTES = 32 << 20
_MOST_FOOTERS = 1_000  # that the driver reads itself
_MAX_COMPRESSION_RATIO = 20  # of text by snappy, Spark's default codec for parquet


@contextmanager
def batches_that_fit(*frames: DataFrame) -> Iterator[None]:
    """Limit the rows of a batch while the frames, tables as read, are processed in Python.

    Spark 3.5 limits batches only by their number of rows, and a task whose batch does not fit in
    the JVM's direct memory hangs. The session's limits are unchanged unless the rows of some file
    are long on average: above 167 bytes as stored.
    """
    with contextlib.ExitStack() as stack:
        if frames:
            max_rows = min(map(_rows_that_fit, frames))
            stack.enter_context(batches_of(frames[0].sparkSession, max_rows))
        yield


def batches_of(spark: SparkSession, max_rows: int) -> AbstractContextManager[None]:
    """Context that limits the batches that Spark reads and hands to Python to `max_rows` rows.

    Where the platform does not let a job do so, its batches stay as they are.
    """
    return at_most(spark, _LIMITS, max_rows)


def rows_that_fit(row_bytes: float, *, is_compressed: bool) -> int:
    """The rows that a batch may have; `row_bytes`: their average length as stored."""
    ratio = _MAX_COMPRESSION_RATIO if is_compressed else 1
    return max(1, int(_BATCH_BYTES / max(ratio * row_bytes, 1.0)))


def rows_by_size(rows: DataFrame, size: Column) -> int:
    """The rows that a batch may have, by the bytes of each: their mean, or a 16th of the largest.

    For rows that are read in Python, of whose files `batches_that_fit` knows nothing.
    """
    sizes = rows.agg(F.avg(size), F.max(size)).first()
    mean, most = (float(value or 1) for value in sizes or (1, 1))
    return rows_that_fit(max(mean, most / 16), is_compressed=False)


def _rows_that_fit(frame: DataFrame) -> int:
    row_bytes = _row_bytes_on_this_disk(frame)
    if row_bytes is not None:
        return rows_that_fit(row_bytes, is_compressed=True)
    # Group by size + mtime as a cheap file key; grouping by _metadata.file_path would copy a long
    # string into every row.
    size, time = F.col("_metadata.file_size"), F.col("_metadata.file_modification_time")
    try:
        files = frame.groupBy(size + F.unix_micros(time)).agg(
            F.max(size).alias("size"), F.count("*").alias("n")
        )
        longest = files.agg(F.max(F.col("size") / F.col("n")).alias("bytes")).first()
    except AnalysisException:  # a view: it has no file metadata
        return max(_LIMITS.values())
    row_bytes = (longest["bytes"] if longest else None) or 1.0
    return rows_that_fit(row_bytes, is_compressed=True)


def _row_bytes_on_this_disk(frame: DataFrame) -> float | None:
    """Bytes of a row in the file of the longest rows, by the footers; None if Spark has to tell."""
    if not reads_local_paths():
        return None
    try:
        files = files_on_this_disk(frame)
        if not files or len(files) > _MOST_FOOTERS:
            return None
        sizes = [os.path.getsize(f) / max(1, pq.read_metadata(f).num_rows) for f in files]
        return float(max(sizes))
    except (OSError, pa.ArrowException, *SPARK_FAULTS):
        return None


def files_on_this_disk(frame: DataFrame) -> list[str] | None:
    """The files that a frame is read from, none for rows of other origin; None if not all here."""
    files = [urlsplit(file) for file in frame.inputFiles()]
    if any(file.scheme not in ("", "file") for file in files):
        return None
    return [unquote(file.path) for file in files]
