"""The value that bounds the largest values of a column, exactly, in a few passes."""

import math
from collections.abc import Sequence
from fractions import Fraction

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from spark_jobs.core.column_values import TypedValue
from spark_jobs.core.columns import named

_BINS = 4_096
_FEW = 100_000  # values that the driver looks through itself
_ACCURACY = 10_000  # of Spark's percentiles: their rank is off by the 10,000th part of all
_WINDOW = 3 / _ACCURACY  # on either side of the share, beyond what the two may be off


def bound_of_top(rows: DataFrame, column: str, fraction: float) -> TypedValue | None:
    """The k-th largest value, k = ceil(fraction * n) of the n values; None where there is none.

    In the column's own type. The share is the decimal as written: 0.3 of 10 are 3, though the
    float 0.3 is a little more. Nulls and NaN are no values. The first pass finds about where it
    is, the second looks at the values there. Where these are too many, or it is elsewhere, each
    pass counts the values of one interval in 4,096 bins and goes on with the bin that holds the
    k-th, until few are left.
    """
    values = rows.select(named(column).alias("v"), named(column).cast("double").alias("x"))
    values = values.where(F.col("x").isNotNull() & ~F.isnan("x"))
    near = [min(max(1 - fraction + side * _WINDOW, 0.0), 1.0) for side in (-1, 1)]
    counts = values.agg(
        F.count("*").alias("n"),
        F.count_if(F.col("x") == math.inf).alias("top"),
        F.count_if(F.col("x") == -math.inf).alias("bottom"),
        F.min(F.when(F.abs("x") != math.inf, F.col("x"))).alias("low"),
        F.max(F.when(F.abs("x") != math.inf, F.col("x"))).alias("high"),
        F.percentile_approx("x", near, _ACCURACY).alias("near"),
    ).first()
    assert counts is not None  # an aggregate without groups has one row
    n, top, bottom, low, high, between = counts
    if not n:
        return None
    k = math.ceil(Fraction(repr(fraction)) * n)
    if k <= top:
        return math.inf
    if k > n - bottom:
        return -math.inf
    if 2 * _WINDOW * n <= _FEW < n:
        near_share = _kth_between(values, k, *between)
        if near_share is not None:
            return near_share
    finite = values.where(F.col("x").between(low, high))
    return _kth_largest(finite, k - top, n - top - bottom, low, high)


def _kth_largest(values: DataFrame, k: int, n: int, low: float, high: float) -> TypedValue:
    """The k-th of n values v from low to high; x holds them as doubles, in the same order."""
    ends = F.min("x").alias("low"), F.max("x").alias("high")
    # Halves, since the whole width may be beyond the largest double.
    while n > _FEW and low / 2 < high / 2:
        scaled = (F.col("x") / 2 - low / 2) / (high / 2 - low / 2) * _BINS
        bins = values.withColumn("bin", F.least(F.floor(scaled), F.lit(_BINS - 1)))
        counted = bins.groupBy("bin").agg(F.count("*").alias("n"), *ends)
        for row in sorted(counted.collect(), key=lambda row: -row["bin"]):
            if k <= row["n"]:
                n, low, high = row["n"], row["low"], row["high"]
                break
            k -= row["n"]
        values = values.where(F.col("x").between(low, high))
    value = _kth_of(values.groupBy("v").count().collect(), k)
    assert value is not None  # the k-th of n values is one of them
    return value


def _kth_between(values: DataFrame, k: int, low: float, high: float) -> TypedValue | None:
    """The k-th of all values in one pass, where it lies from low to high; else None."""
    inside = F.when(F.col("x") <= high, F.col("v")).alias("v")
    counted = values.where(F.col("x") >= low).groupBy(inside).count().collect()
    above = sum(row["count"] for row in counted if row["v"] is None)
    return _kth_of([row for row in counted if row["v"] is not None], k - above)


def _kth_of(counted: Sequence[Row], k: int) -> TypedValue | None:
    """The k-th largest, from distinct values with their counts; None where it is not among them."""
    if k <= 0:
        return None
    for row in sorted(counted, key=lambda row: row["v"], reverse=True):
        k -= row["count"]
        if k <= 0:
            value: TypedValue = row["v"]
            return value
    return None
