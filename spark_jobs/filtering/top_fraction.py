"""The smallest of the top fraction of a column's values, exact, in a few passes."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Literal

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from spark_jobs.core.column_values import TypedValue
from spark_jobs.core.columns import named

PAPERS = ("DataComp, CLIP score baseline: the share with the highest scores",)

_BINS = 4_096
_MAX_DRIVER_VALUES = 100_000  # values that are collected on the driver
_MAX_WINDOW_VALUES = 500_000  # the same, about, of the values near an estimate
_SAMPLED = 1 / 16  # of the values, for the estimate
_ACCURACY = 10_000  # of percentile_approx: ranks are off by at most n / 10,000
_DEVIATIONS = 5.0  # of a sample's percentile, that a window reaches to each side
_WIDTHS = [3 / _ACCURACY * 2**k for k in range(9)]  # of windows, to each side, as shares of all


Place = Literal["share", "datacomp"]


def top_fraction_bound(
    rows: DataFrame, column: str, fraction: float, place: Place = "share"
) -> TypedValue | None:
    """The smallest value of the top fraction; None if no row is in it.

    In the column's own type; nulls and NaN are not values. share: the k-th largest of the n values,
    k = ceil(fraction * n), `fraction` being the decimal as written: 0.3 of 10 rows are 3, though
    the float 0.3 is a little more. datacomp: the value at index int(n * fraction) of all n rows in
    descending order, those without a value last; of the fraction 1 the smallest value.
    """

    def k_of(n_values: int, n_rows: int) -> int | None:
        if place == "share":
            return math.ceil(Fraction(repr(fraction)) * n_values)
        index = int(n_rows * fraction)  # of floats, as published: 100 * 0.29 is 28
        return n_values if index == n_rows else index + 1

    return kth_largest(rows, column, k_of, fraction)


def kth_largest(
    rows: DataFrame, column: str, k_of: Callable[[int, int], int | None], estimate: float
) -> TypedValue | None:
    """The k-th largest value, exact, in the column's own type; None if there are fewer than k.

    k_of: (number of values, number of rows) -> k from 1 on, or None. estimate: about what share of
    the values k is. A first pass estimates the value by percentiles of a sample, a second collects
    the values near it. If these are too many, or the value is not among them, each further pass
    counts the values of an interval in 4,096 bins and continues with the bin that has the k-th,
    until few enough remain to collect. So nothing is sorted, whatever the number of rows.
    """
    x = named(column).cast("double")
    all_rows = rows.select(named(column).alias("v"), F.when(~F.isnan(x), x).alias("x"))
    counts = F.count(F.lit(1)).alias("n_rows"), F.count("x").alias("n")
    [[n_rows, n, windows]] = _sampled(all_rows).agg(*counts, _windows(estimate)).collect()
    k = k_of(n, n_rows)
    if k is None or not 0 < k <= n:
        return None
    values = all_rows.where(F.col("x").isNotNull())
    if n <= _MAX_DRIVER_VALUES:
        return _kth_of(values.groupBy("v").count().collect(), k)
    width = _width(k / n, n)
    if width is not None:
        if abs(k / n - estimate) > _WIDTHS[0] / 2:  # many rows have no value
            [[windows]] = _sampled(values).agg(_windows(k / n)).collect()
        kth_in_window = _kth_between(values, k, *windows[2 * width : 2 * width + 2])
        if kth_in_window is not None:
            return kth_in_window
    return _kth_by_bins(values, k, n)


def _sampled(rows: DataFrame) -> DataFrame:
    """With a column `sampled`: x in some rows, else null.

    Which rows depends on the partitioning; the k-th value does not: a sample says where it is near.
    """
    return rows.withColumn("sampled", F.when(F.rand(0) < _SAMPLED, F.col("x")))


def _windows(share: float) -> Column:
    """Column windows: for each width, the two percentiles around the smallest of the largest share.

    Of the column `sampled`, whose nulls do not count.
    """
    percentiles = [
        min(max(1 - share + side * width, 0.0), 1.0) for width in _WIDTHS for side in (-1, 1)
    ]
    estimates = F.percentile_approx("sampled", percentiles, _ACCURACY)
    # All values are between the ends, though a sample has not the largest and smallest.
    ends = {0.0: F.lit(-math.inf), 1.0: F.lit(math.inf)}
    return F.array(*(ends.get(p, estimates[k]) for k, p in enumerate(percentiles))).alias("windows")


def _width(share: float, n: int) -> int | None:
    """Which of the widths holds the value in nearly all samples; None if too many others, too."""
    deviation = math.sqrt(share * (1 - share) / (n * _SAMPLED))
    least = 2 / _ACCURACY + _DEVIATIONS * deviation
    width = next((k for k, width in enumerate(_WIDTHS) if width >= least), None)
    return width if width is not None and 2 * _WIDTHS[width] * n <= _MAX_WINDOW_VALUES else None


def _kth_by_bins(values: DataFrame, k: int, n: int) -> TypedValue:
    """The k-th largest of n values v, infinite ones too; x is v as a double."""
    is_finite = F.abs("x") != math.inf
    counts = values.agg(
        F.count_if(F.col("x") == math.inf),
        F.count_if(F.col("x") == -math.inf),
        F.min(F.when(is_finite, F.col("x"))),
        F.max(F.when(is_finite, F.col("x"))),
    )
    [[n_infinite, n_minus_infinite, low, high]] = counts.collect()
    if k <= n_infinite:
        return math.inf
    if k > n - n_minus_infinite:
        return -math.inf
    finite = values.where(F.col("x").between(low, high))
    return _kth_largest(finite, k - n_infinite, n - n_infinite - n_minus_infinite, low, high)


def _kth_largest(values: DataFrame, k: int, n: int, low: float, high: float) -> TypedValue:
    """The k-th largest of n values v from low to high; x is v as a double, in the same order."""
    bin_range = F.min("x").alias("low"), F.max("x").alias("high")
    # Halves, since high - low may exceed the largest double.
    while n > _MAX_DRIVER_VALUES and low / 2 < high / 2:
        scaled = (F.col("x") / 2 - low / 2) / (high / 2 - low / 2) * _BINS
        bins = values.withColumn("bin", F.least(F.floor(scaled), F.lit(_BINS - 1)))
        bin_counts = bins.groupBy("bin").agg(F.count("*").alias("n"), *bin_range)
        for row in sorted(bin_counts.collect(), key=lambda row: -row["bin"]):
            if k <= row["n"]:
                n, low, high = row["n"], row["low"], row["high"]
                break
            k -= row["n"]
        values = values.where(F.col("x").between(low, high))
    value = _kth_of(values.groupBy("v").count().collect(), k)
    assert value is not None  # the k-th of n values is one of them
    return value


def _kth_between(values: DataFrame, k: int, low: float, high: float) -> TypedValue | None:
    """The k-th largest of all values, in one pass; None if it does not lie from low to high."""
    v_or_null_if_above = F.when(F.col("x") <= high, F.col("v")).alias("v")
    value_counts = values.where(F.col("x") >= low).groupBy(v_or_null_if_above).count().collect()
    n_above = sum(row["count"] for row in value_counts if row["v"] is None)
    return _kth_of([row for row in value_counts if row["v"] is not None], k - n_above)


def _kth_of(value_counts: Sequence[Row], k: int) -> TypedValue | None:
    """The k-th largest of distinct values v with their counts; None if it is not among them."""
    if k <= 0:
        return None
    for row in sorted(value_counts, key=lambda row: row["v"], reverse=True):
        k -= row["count"]
        if k <= 0:
            value: TypedValue = row["v"]
            return value
    return None
