"""What each threshold keeps, against counting row by row."""

import math

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.core.columns import literal_of, named
from spark_jobs.report.threshold_picture import threshold_picture
from spark_jobs.scoring.thresholds import histogram, kept_by_threshold, plan_lines, round_thresholds


def made_up(n: int) -> list[tuple[str | None, float | None]]:
    draws = np.random.default_rng(0)
    scores = [round(float(x), 2) for x in draws.normal(0.3, 0.2, n)]
    odd = [None, math.nan, 0.7, -0.5]
    return [
        (f"n{draws.integers(0, 9)}" if k % 13 else None, odd[k % 4] if k % 11 == 0 else scores[k])
        for k in range(n)
    ]


@pytest.mark.parametrize("by_class", ["wnid", None])
def test_rows_classes_and_their_means(spark: SparkSession, by_class: str | None) -> None:
    rows = made_up(3_000)
    frame = spark.createDataFrame(rows, "wnid string, similarity double")
    grid = [0.7, 0.25, -0.5, 2.0, 0.25]
    found = kept_by_threshold(frame, "similarity", by_class, grid)
    sound = [(c if by_class else 0, x) for c, x in rows if x is not None and not math.isnan(x)]
    for threshold, n, classes, mean in found.itertuples(index=False):
        kept = pd.DataFrame([r for r in sound if r[1] >= threshold], columns=["c", "x"])
        means = kept.groupby("c", dropna=False)["x"].mean()
        assert (n, classes) == (len(kept), len(means))
        assert (
            (mean is None or math.isnan(mean)) if kept.empty else math.isclose(mean, means.mean())
        )
    assert found["threshold"].tolist() == sorted(set(grid))
    bars = histogram(frame, "similarity")
    assert sum(bars.values()) == len(sound)
    assert bars[0.7] == sum(1 for _, x in sound if 0.7 <= x < 0.72)
    text = threshold_picture(found, bars).decode()
    assert "Classes with a row at or above it" in text
    assert len(plan_lines(found)) == 5


def test_no_scores_at_all(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("n1", None)], "wnid string, score double")
    found = kept_by_threshold(frame, "score", "wnid", round_thresholds())
    assert set(found["rows"]) == {0}
    assert histogram(frame, "score") == {}
    assert threshold_picture(found, {})
    assert plan_lines(found)[1].endswith("-")


@pytest.mark.parametrize("of", ["float", "double", "decimal(4,2)"])
def test_rows_equal_to_a_threshold_count_in_every_type(spark: SparkSession, of: str) -> None:
    """As numpy has it, the threshold in the type of the scores; and as filter-captions has it."""
    stored = [k / 100 for k in range(-20, 100)]
    frame = spark.createDataFrame([(x,) for x in stored], "s double")
    frame = frame.select(F.col("s").cast(of).alias("a.b"))
    grid = [k / 50 for k in range(-10, 50)]
    kept = kept_by_threshold(frame, "a.b", None, grid)
    singles = np.array(stored, np.float32 if of == "float" else np.float64)
    expected = [int((singles >= singles.dtype.type(t)).sum()) for t in grid]
    assert kept["rows"].tolist() == expected
    assert expected == [120 - 2 * k for k in range(60)]
    by_rule = [frame.where(named("a.b") >= literal_of(frame, "a.b", t)).count() for t in grid[::9]]
    assert kept["rows"].tolist()[::9] == by_rule
    assert set(histogram(frame, "a.b").values()) == {2}
