"""Plan a threshold on a similarity: what each would keep (LAIONet, Shirali & Hardt 2023)."""

from collections.abc import Sequence

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.columns import literal_of, named
from spark_jobs.core.histogram_bins import BIN_WIDTH, bin_number
from spark_jobs.core.schemas import CLASS_SIMILARITY, CLASSES, ROWS, SIMILARITY_PLAN, THRESHOLD

PAPERS = ("LAIONet, appendix: what each threshold on the similarity keeps",)

_SCORE, _CLASS, _PASSED = "score", "class", "passed"


def round_thresholds() -> list[float]:
    """The default grid: -0.95 to 0.95 in steps of 0.05."""
    return [k / 20 for k in range(-19, 20)]


def kept_by_threshold(
    scored: DataFrame, score: str, by_class: str | None, thresholds: Sequence[float]
) -> pd.DataFrame:
    """What each distinct threshold keeps, ascending: schemas.SIMILARITY_PLAN; in one pass.

    A row is kept if its score is at least the threshold, compared in the column's type, as in
    filter-captions and sample-subset; rows without a score or with NaN never are. class_similarity:
    mean over classes of the mean score of their kept rows, null if no row is kept. `by_class` None:
    all rows are one class.
    """
    grid = sorted(set(thresholds))
    class_value = F.lit(0) if by_class is None else named(by_class).cast("string")
    number = named(score)
    n_passed = sum(((number >= literal_of(scored, score, t)).cast("int") for t in grid), F.lit(0))
    sums = (
        scored.where(_is_number(number))
        .select(
            number.cast("double").alias(_SCORE),
            class_value.alias(_CLASS),
            n_passed.alias(_PASSED),
        )
        .groupBy(_CLASS, _PASSED)
        .agg(F.count("*").alias("n"), F.sum(_SCORE).alias("total"))
        .toPandas()
    )
    plan_rows = []
    for position, threshold in enumerate(grid):
        kept = sums[sums[_PASSED] > position].groupby(_CLASS, dropna=False)[["n", "total"]].sum()
        class_similarity = float((kept["total"] / kept["n"]).mean()) if len(kept) else None
        plan_rows.append((threshold, int(kept["n"].sum()), len(kept), class_similarity))
    return pd.DataFrame(plan_rows, columns=[THRESHOLD, ROWS, CLASSES, CLASS_SIMILARITY])


def informative_thresholds(plan: pd.DataFrame) -> pd.DataFrame:
    """The rows of a plan from the largest threshold that keeps all to the last that keeps any."""
    keeps_all = plan[ROWS] == plan[ROWS].max()
    first = plan[THRESHOLD][keeps_all].max()
    shown: pd.DataFrame = plan[(plan[ROWS] > 0) & (plan[THRESHOLD] >= first)]
    return shown


def histogram(scored: DataFrame, score: str) -> dict[float, int]:
    """The rows of each bin, keyed by its lower bound; bins are 0.02 wide, empty ones left out.

    A score on the border of two bins, such as the float32 0.7, counts in the upper one.
    """
    rows = scored.where(_is_number(named(score)))
    bin_counts = rows.groupBy(bin_number(named(score)).alias("bin")).count().orderBy("bin")
    return {round(row["bin"] * BIN_WIDTH, 2): row["count"] for row in bin_counts.collect()}


def _is_number(score: Column) -> Column:
    return score.isNotNull() & ~F.isnan(score.cast("double"))


def plan_lines(plan: pd.DataFrame) -> list[str]:
    """The plan as a table of text."""
    lines = [f"{'threshold':>10}{'rows':>15}{'classes':>10}{'mean in class':>15}"]
    for threshold, n_rows, n_classes, mean in plan[SIMILARITY_PLAN.names].itertuples(index=False):
        mean_text = f"{mean:15.3f}" if pd.notna(mean) else f"{'-':>15}"
        has_two_digits = round(threshold, 2) == threshold
        threshold_text = f"{threshold:.2f}" if has_two_digits else f"{threshold:.7g}"
        lines.append(f"{threshold_text:>10}{n_rows:15,}{n_classes:10,}{mean_text}")
    return lines
