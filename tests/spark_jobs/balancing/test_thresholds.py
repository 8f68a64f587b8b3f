"""The threshold t from a tail share, per language, and for a number of rows."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from spark_jobs.balancing.keep import match_probability, weigh_matches
from spark_jobs.balancing.thresholds import (
    expected_rows,
    share_below,
    t_at_tail_fraction,
    t_by_language,
    t_for_rows,
)
from spark_jobs.core.schemas import MATCHES


@pytest.fixture(scope="module")
def published(cases: Path) -> list[dict]:
    return json.loads((cases / "metaclip_balance/v2_expected_thresholds.json").read_text())


def test_tail_shares_are_the_published_ones(published: list[dict]) -> None:
    for array in published:
        counts = np.array(array["counts"], np.int64)
        for row in array["t_to_p"]:
            wanted = float("nan") if row["p"] is None else row["p"]
            found = share_below(counts, t=row["t"])
            assert found == pytest.approx(wanted, abs=1e-12, nan_ok=True), array["name"]


def test_thresholds_are_the_published_ones(published: list[dict]) -> None:
    for array in published:
        counts = np.array(array["counts"], np.int64)
        for row in array["p_to_t"]:
            assert t_at_tail_fraction(counts, tail_fraction=row["p"]) == row["t"], array["name"]


def test_match_probabilities_are_the_published_ones(published: list[dict]) -> None:
    for array in published:
        counts = np.array(array["counts"], np.int64)
        for row in array["count_to_prob"]:
            found = match_probability(counts, t=row["t"])
            assert found == pytest.approx(row["prob"], abs=1e-12), array["name"]


def test_languages_get_the_published_t_and_probabilities(cases: Path) -> None:
    folder = cases / "metaclip_balance"
    sizes = json.loads((folder / "params.json").read_text())["entries_per_language"]
    shards = pd.read_parquet(folder / "v2_input_shard_counts.parquet")
    counts = {lang: np.zeros(n, np.int64) for lang, n in sizes.items()}
    for row in shards.itertuples():
        counts[row.lang][row.entry_id] += row.count
    expected = json.loads((folder / "v2_expected_language_thresholds.json").read_text())
    probabilities = pd.read_parquet(folder / "v2_expected_language_probability.parquet")
    for t_en in {row["t_en"] for row in expected}:
        found = t_by_language(counts, t=t_en)
        assert found == {row["lang"]: row["t"] for row in expected if row["t_en"] == t_en}
        for row in probabilities[probabilities["t_en"] == t_en].itertuples():
            probability = match_probability(counts[row.lang], t=max(1, found[row.lang]))
            rounded = np.float32(probability[row.entry_id])
            assert rounded == pytest.approx(row.probability_float32, abs=1e-7)


def test_expected_rows_are_the_sum_of_keep_probabilities(spark: SparkSession) -> None:
    rows = [(f"u{i}", [j for j in range(4) if i % (j + 1) == 0]) for i in range(500)]
    matches = spark.createDataFrame(rows, MATCHES).repartition(3)
    counts = np.array([500, 250, 167, 125])
    found = {
        r.t: r.expected_rows
        for r in expected_rows(matches, counts, {t: t for t in (1, 40, 500)}).collect()
    }
    for t in (1, 40, 500):
        weighed = weigh_matches(matches, match_probability(counts, t=t)).toPandas()
        assert found[t] == pytest.approx(weighed["keep_probability"].sum(), rel=1e-12)


@pytest.mark.parametrize("rows", [1, 10, 5_000, 123_456, 1_000_000])
def test_the_t_found_is_the_best_or_within_a_thousandth(rows: int) -> None:
    asked: list[int] = []

    def expected(ts: list[int]) -> dict[int, float]:
        asked.extend(ts)
        return {t: 1_000_000 * (t / 3_000_000) ** 0.5 for t in ts}

    t, found = t_for_rows(expected, rows=rows, t_max=3_000_000)
    assert [found] == [*expected([t]).values()]
    nearest = min(abs(expected([t + step])[t + step] - rows) for step in (-1, 0, 1) if t + step > 0)
    assert abs(found - rows) <= max(1e-3 * rows, nearest)
    assert len(asked) < 150
