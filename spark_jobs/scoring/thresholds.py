"""What each threshold on a similarity would keep (LAIONet, Shirali & Hardt 2023, appendix)."""

from collections.abc import Sequence

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.columns import literal_of, named
from spark_jobs.core.schemas import CLASS_SIMILARITY, CLASSES, ROWS, SIMILARITY_PLAN, THRESHOLD

_BIN = 0.02  # width of a bar of the histogram
_SCORE, _CLASS, _PASSED = "score", "class", "passed"


def round_thresholds() -> list[float]:
    """The usual grid: -0.95 to 0.95 by twentieths."""
    return [k / 20 for k in range(-19, 20)]


def kept_by_threshold(
    scored: DataFrame, score: str, by_class: str | None, thresholds: Sequence[float]
) -> pd.DataFrame:
    """schemas.SIMILARITY_PLAN, a row per distinct threshold, ascending; in one pass.

    Kept is what is at least a threshold, in the type of the column, as filter-captions and
    sample-subset have it. class_similarity: the mean over classes of the mean of their rows that
    are kept, null where none is; without classes all rows are one. Rows without a score, and with
    NaN, are kept by none.
    """
    grid = sorted(set(thresholds))
    classes = F.lit(0) if by_class is None else named(by_class).cast("string")
    number = named(score)
    passed = sum(((number >= literal_of(scored, score, t)).cast("int") for t in grid), F.lit(0))
    sums = (
        scored.where(_is_number(number))
        .select(number.cast("double").alias(_SCORE), classes.alias(_CLASS), passed.alias(_PASSED))
        .groupBy(_CLASS, _PASSED)
        .agg(F.count("*").alias("n"), F.sum(_SCORE).alias("total"))
        .toPandas()
    )
    rows = []
    for position, threshold in enumerate(grid):
        kept = sums[sums[_PASSED] > position].groupby(_CLASS, dropna=False)[["n", "total"]].sum()
        mean = float((kept["total"] / kept["n"]).mean()) if len(kept) else None
        rows.append((threshold, int(kept["n"].sum()), len(kept), mean))
    return pd.DataFrame(rows, columns=[THRESHOLD, ROWS, CLASSES, CLASS_SIMILARITY])


def telling(rows: pd.DataFrame) -> pd.DataFrame:
    """The thresholds that keep something, from the last on that keeps everything."""
    keeps_all = rows[ROWS] == rows[ROWS].max()
    first = rows[THRESHOLD][keeps_all].max()
    shown: pd.DataFrame = rows[(rows[ROWS] > 0) & (rows[THRESHOLD] >= first)]
    return shown


def histogram(scored: DataFrame, score: str) -> dict[float, int]:
    """The lower end of each bar, 0.02 wide, and its rows; bars without rows are left out.

    A score at the end of a bar, such as the float32 0.7, counts in the bar that begins there.
    """
    number = named(score).cast("double")
    lower = F.floor(F.round(number / _BIN, 5)).alias("bin")
    rows = scored.where(_is_number(named(score)))
    counted = rows.groupBy(lower).count().orderBy("bin").collect()
    return {round(row["bin"] * _BIN, 2): row["count"] for row in counted}


def _is_number(score: Column) -> Column:
    return score.isNotNull() & ~F.isnan(score.cast("double"))


def plan_lines(rows: pd.DataFrame) -> list[str]:
    """The plan as a table of text."""
    lines = [f"{'threshold':>10}{'rows':>15}{'classes':>10}{'mean in class':>15}"]
    for threshold, n, classes, mean in rows[SIMILARITY_PLAN.names].itertuples(index=False):
        of_class = f"{mean:15.3f}" if pd.notna(mean) else f"{'-':>15}"
        two_digits = round(threshold, 2) == threshold
        at_least = f"{threshold:.2f}" if two_digits else f"{threshold:.7g}"
        lines.append(f"{at_least:>10}{n:15,}{classes:10,}{of_class}")
    return lines
