"""Which rows are in the top of a score: DataComp's threshold, or exactly so many rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from spark_jobs.core.columns import named
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import UID
from spark_jobs.filtering.top_fraction import kth_largest, top_fraction_bound

CutoffRule = Literal["value", "rank"]
_MAX_COLLECTED = 100_000  # uids that the driver sorts
_PREFIX_STEP = 2  # characters by which a prefix grows


@dataclass(frozen=True)
class Cutoff:
    """The smallest score in the top, and of the rows of just that score the last uid that is in it.

    `threshold`: None if no row is in it. `last_uid`: None if all of them are.
    """

    threshold: float | None
    last_uid: str | None = None

    def holds(self, score: Column, score_type: DataType) -> Column:
        """Whether a row with this score, null where it has none, is in the top."""
        if self.threshold is None:
            return F.lit(False)
        threshold = F.lit(self.threshold).cast(score_type)
        if self.last_uid is None:
            return score >= threshold
        is_tie_in = (score == threshold) & (F.col(UID) <= F.lit(self.last_uid))
        return (score > threshold) | is_tie_in


def top_cutoff(rows: DataFrame, score: str, fraction: float, rule: CutoffRule) -> Cutoff:
    """The cutoff of the top fraction of all rows, by a score that is null where there is none.

    value: DataComp's; the score at the index int(n * fraction) of all n rows, ties included. rank:
    int(n * fraction) rows, of equal scores those of the smallest uids (by their bytes).
    """
    if rule == "value":
        return Cutoff(_as_float(top_fraction_bound(rows, score, fraction, "datacomp")))
    n_wanted = int(count_rows(rows) * fraction)

    def k_of(n_values: int, _n_rows: int) -> int | None:
        return min(n_wanted, n_values)

    threshold = _as_float(kth_largest(rows, score, k_of, fraction))
    if threshold is None:
        return Cutoff(None)
    literal = F.lit(threshold).cast(rows.schema[score].dataType)
    near = rows.where(named(score) >= literal)
    counts = near.agg(F.count_if(named(score) > literal), F.count(F.lit(1))).first()
    assert counts is not None  # an aggregate without groups has one row
    n_above, n_up_to = counts
    if n_up_to <= n_wanted:
        return Cutoff(threshold)
    ties = near.where(named(score) == literal)
    return Cutoff(threshold, kth_smallest_text(ties, UID, n_wanted - n_above))


def kth_smallest_text(rows: DataFrame, column: str, k: int, most: int = _MAX_COLLECTED) -> str:
    """The k-th smallest of the texts of a column, by their bytes; 1 <= k <= number of rows.

    Counts texts by a prefix that grows, and goes on with the prefix of the k-th, until few enough
    remain to be sorted on the driver.
    """
    texts = rows.select(named(column).alias("text"))
    bounds = texts.agg(F.min("text"), F.max("text"), F.count(F.lit(1))).first()
    assert bounds is not None
    low, high, n = bounds
    while n > most and low != high:
        length = _common_length(low, high) + _PREFIX_STEP
        prefix = F.substring("text", 1, length).alias("prefix")
        groups = texts.groupBy(prefix).agg(
            F.min("text").alias("low"), F.max("text").alias("high"), F.count(F.lit(1)).alias("n")
        )
        for row in sorted(groups.collect(), key=lambda row: row["prefix"].encode()):
            if k <= row["n"]:
                low, high, n = row["low"], row["high"], row["n"]
                break
            k -= row["n"]
        texts = texts.where(F.col("text").between(low, high))
    if low == high:
        return str(low)
    return _kth([row["text"] for row in texts.collect()], k)


def _common_length(low: str, high: str) -> int:
    pairs = zip(low, high, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(low), len(high)))


def _kth(texts: Sequence[str], k: int) -> str:
    return sorted(texts, key=str.encode)[k - 1]


def _as_float(value: object) -> float | None:
    return None if value is None else float(value)  # type: ignore[arg-type]
