"""What each threshold on a similarity would keep (LAIONet, Shirali & Hardt 2023, appendix)."""

from collections.abc import Sequence

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.schemas import (
    CLASS_SIMILARITY,
    CLASSES,
    ROWS,
    SIMILARITY_PLAN,
    THRESHOLD,
)

_BIN = 0.02  # width of a bar of the histogram
_SCORE, _CLASS, _PASSED = "score", "class", "passed"


def round_thresholds() -> list[float]:
    """The usual grid: -0.95 to 0.95 by twentieths."""
    return [k / 20 for k in range(-19, 20)]


def kept_by_threshold(
    scored: DataFrame, score: str, by_class: str | None, thresholds: Sequence[float]
) -> pd.DataFrame:
    """schemas.SIMILARITY_PLAN, a row per threshold, ascending; in one pass.

    Kept is what is above a threshold. class_similarity: the mean over classes of the mean of their
    rows that are kept, null where none is; without classes all rows are one. Rows without a score
    are kept by none.
    """
    grid = sorted(thresholds)
    named = _numbers(scored, score).withColumn(
        _CLASS, F.lit(0) if by_class is None else scored[by_class].cast("string")
    )
    passed = sum(((F.col(_SCORE) > t).cast("int") for t in grid), F.lit(0))
    sums = (
        named.groupBy(_CLASS, passed.alias(_PASSED))
        .agg(F.count("*").alias("n"), F.sum(_SCORE).alias("total"))
        .toPandas()
    )
    rows = []
    for number, threshold in enumerate(grid):
        kept = sums[sums[_PASSED] > number].groupby(_CLASS, dropna=False)[["n", "total"]].sum()
        mean = float((kept["total"] / kept["n"]).mean()) if len(kept) else None
        rows.append((threshold, int(kept["n"].sum()), len(kept), mean))
    return pd.DataFrame(rows, columns=[THRESHOLD, ROWS, CLASSES, CLASS_SIMILARITY])


def telling(rows: pd.DataFrame) -> pd.DataFrame:
    """The thresholds that keep something, from the last on that keeps everything."""
    keeps_all = rows[ROWS] == rows[ROWS].max()
    first = rows[THRESHOLD][keeps_all].max()
    told: pd.DataFrame = rows[(rows[ROWS] > 0) & (rows[THRESHOLD] >= first)]
    return told


def histogram(scored: DataFrame, score: str) -> dict[float, int]:
    """The lower end of each bar, 0.02 wide, and its rows; bars without rows are left out."""
    lower = F.floor(F.col(_SCORE) / _BIN).alias("bin")
    counted = _numbers(scored, score).groupBy(lower).count().orderBy("bin").collect()
    return {round(row["bin"] * _BIN, 2): row["count"] for row in counted}


def _numbers(scored: DataFrame, score: str) -> DataFrame:
    number: Column = F.col(score).cast("double")
    found = scored.withColumn(_SCORE, number)
    return found.where(F.col(_SCORE).isNotNull() & ~F.isnan(_SCORE))


def plan_lines(rows: pd.DataFrame) -> list[str]:
    """The plan as a table of text."""
    told = [f"{'threshold':>10}{'rows':>15}{'classes':>10}{'mean in class':>15}"]
    for threshold, n, classes, mean in rows[SIMILARITY_PLAN.names].itertuples(index=False):
        of_class = f"{mean:15.3f}" if pd.notna(mean) else f"{'-':>15}"
        told.append(f"{threshold:10.2f}{n:15,}{classes:10,}{of_class}")
    return told
