"""The value that bounds the largest values of a column, exactly, in a few passes."""

import math

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

_BINS = 4_096
_FEW = 100_000  # values that the driver looks through itself


def bound_of_top(rows: DataFrame, column: str, fraction: float) -> float | None:
    """The k-th largest value, k = ceil(fraction * n) of the n values; None where there is none.

    Nulls and NaN are no values. Each pass counts the values of one interval in 4,096 bins and goes
    on with the bin that holds the k-th, until few are left.
    """
    values = rows.select(F.col(column).cast("double").alias("v"))
    values = values.where(F.col("v").isNotNull() & ~F.isnan("v"))
    found = values.agg(
        F.count("*").alias("n"), F.min("v").alias("low"), F.max("v").alias("high")
    ).first()
    assert found is not None  # an aggregate without groups has one row
    n, low, high = found
    if not n:
        return None
    # As a decimal: 0.3 of 10 are 3, though the float 0.3 is a little more.
    left = math.ceil(round(fraction * n, 6))
    while n > _FEW and low < high and math.isfinite(high - low):
        scaled = (F.col("v") - low) / (high - low) * _BINS
        bins = values.withColumn("bin", F.least(F.floor(scaled), F.lit(_BINS - 1)))
        counted = bins.groupBy("bin").agg(
            F.count("*").alias("n"), F.min("v").alias("low"), F.max("v").alias("high")
        )
        for row in sorted(counted.collect(), key=lambda row: -row["bin"]):
            if left <= row["n"]:
                n, low, high = row["n"], row["low"], row["high"]
                break
            left -= row["n"]
        values = values.where(F.col("v").between(low, high))
    for row in values.groupBy("v").count().orderBy(F.desc("v")).collect():
        left -= row["count"]
        if left <= 0:
            return float(row["v"])
    raise AssertionError("the k-th of n values is one of them")
