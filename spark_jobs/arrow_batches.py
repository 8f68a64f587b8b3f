"""Batches of rows for Python that fit into memory, however long the captions are."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

_ROWS = "spark.sql.execution.arrow.maxRecordsPerBatch"
_BATCH_BYTES = 64 << 20  # a buffer that grows holds three times that, in each task
_MOST_COMPRESSION = 20  # times that snappy, Spark's own choice for parquet, makes text smaller


@contextmanager
def batches_that_fit(frame: DataFrame) -> Iterator[None]:
    """Within it Spark hands rows of `frame`, a table as it was read, to Python in such batches.

    Spark 3.5 limits an Arrow batch by its rows alone, and where the JVM's direct memory does not
    hold one, its task waits for ever. The session's limit stays unless the rows of some file are
    long on average: above 335 bytes as they are stored.
    """
    conf = frame.sparkSession.conf
    usual = conf.get(_ROWS)
    conf.set(_ROWS, str(min(int(usual or 10_000), _rows_that_fit(frame))))
    try:
        yield
    finally:
        if usual is None:
            conf.unset(_ROWS)
        else:
            conf.set(_ROWS, usual)


def _rows_that_fit(frame: DataFrame) -> int:
    path, size = F.col("_metadata.file_path"), F.col("_metadata.file_size")
    try:
        files = frame.groupBy(path, size.alias("size")).agg(F.count("*").alias("n"))
        longest = files.agg(F.max(F.col("size") / F.col("n")).alias("bytes")).first()
    except AnalysisException:  # a view: its files are not known
        return 10_000
    row_bytes = (longest["bytes"] if longest else None) or 1
    return max(1, int(_BATCH_BYTES / (_MOST_COMPRESSION * row_bytes)))
