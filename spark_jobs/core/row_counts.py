"""The number of a frame's rows, on every platform of the same type."""

from pyspark.sql import DataFrame


def count_rows(rows: DataFrame) -> int:
    """`rows.count()`, which on Spark Connect 3.5 is a number of numpy.

    Functions of Spark take no such number of partitions or rows, and JSON none at all.
    """
    return int(rows.count())
