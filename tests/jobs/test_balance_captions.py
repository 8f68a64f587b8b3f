"""balance-captions by its command: the ways to t, the floor, languages, and its decisions."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from spark_jobs.balancing.keep import BALANCING
from spark_jobs.core.draws import Draw
from spark_jobs.core.schemas import ENTRY_COUNTS
from tests.delta_tables import read_delta


@pytest.fixture(scope="module")
def tables(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20,000 captions; entry k occurs in every (k + 1)th."""
    folder = tmp_path_factory.mktemp("tables")
    rows = spark.range(20_000).selectExpr(
        "concat('u', id) uid",
        "concat('caption ', id) caption",
        "filter(sequence(0, 199), k -> id % (k + 7) = 0) entry_ids",
    )
    rows.select("uid", "caption").write.format("delta").save(str(folder / "captions"))
    rows.select("uid", "entry_ids").write.format("delta").save(str(folder / "matches"))
    return folder


def arguments(tables: Path, out: Path) -> list[object]:
    return [
        *("balance-captions", "--captions", tables / "captions"),
        *("--matches", tables / "matches", "--output", out / "balanced"),
    ]


@pytest.mark.slow
def test_target_rows_are_met_within_a_percent_and_the_draws(captionlake, tables, tmp_path):
    outcome = captionlake(*arguments(tables, tmp_path), "--target-rows", 4_000)
    counts = outcome.summary["counts"]
    assert counts["kept"] == pytest.approx(4_000, abs=40 + 5 * 4_000**0.5)
    assert 1 < counts["t"] < 2_858


@pytest.mark.slow
def test_tail_fraction_gives_the_t_whose_share_is_closest(captionlake, tables, tmp_path):
    outcome = captionlake(
        *arguments(tables, tmp_path),
        *("--tail-fraction", 0.5, "--probabilities", tmp_path / "probabilities"),
    )
    counts = sorted(len(range(0, 20_000, k + 7)) for k in range(200))
    half = sum(counts) / 2
    shares = [abs(sum(counts[: i + 1]) - half) for i in range(200)]
    assert outcome.summary["counts"]["t"] == counts[shares.index(min(shares))]


def test_more_rows_than_match_are_refused(captionlake, tables, tmp_path):
    outcome = captionlake(*arguments(tables, tmp_path), "--target-rows", 20_000)
    assert outcome.exit_code == 3
    assert "target_rows = 20000: only" in outcome.error
    assert not (tmp_path / "balanced").exists()


@pytest.mark.slow
def test_a_floor_takes_the_lowest_draws_of_each_entry_that_is_short(
    captionlake, spark, tables, tmp_path
):
    outcome = captionlake(
        *arguments(tables, tmp_path),
        *("--t", 100, "--floor", 100, "--decisions"),
        *("--probabilities", tmp_path / "probabilities"),
    )
    rows = (
        spark.read.format("delta")
        .load(str(tables / "matches"))
        .withColumn("draw", Draw(BALANCING, 0).of("uid"))
        .toPandas()
    )
    counts = np.bincount(np.concatenate(rows.entry_ids), minlength=200)
    keep = [1 - np.prod(1 - 100 / np.maximum(counts[ids], 100)) for ids in rows.entry_ids]
    is_kept = rows.draw.to_numpy() < np.array(keep)
    floored = set()
    for entry in range(200):
        holds = np.array([entry in ids for ids in rows.entry_ids])
        short = min(100, counts[entry]) - (holds & is_kept).sum()
        assert counts[entry] > 90
        if short > 0:
            left = rows[holds & ~is_kept].sort_values(["draw", "uid"])
            floored |= set(left.uid[:short])
    assert floored
    balanced = read_delta(spark, tmp_path / "balanced").toPandas()
    assert set(balanced.uid) == set(rows.uid[is_kept]) | floored
    assert outcome.summary["counts"]["kept"] == is_kept.sum() + len(floored)

    probabilities = read_delta(spark, tmp_path / "probabilities").toPandas()
    assert (probabilities.kept_count >= np.minimum(100, probabilities.entry_count)).all()

    decisions = read_delta(spark, tmp_path / "decisions").toPandas()
    assert sorted(decisions.uid) == sorted(rows.uid)
    assert set(decisions.uid[decisions.kept]) == set(balanced.uid)
    assert set(decisions.uid[decisions.rule == "floor"]) == floored
    assert set(decisions.rule) == {"floor", "balance", "no_entry"}
    drawn = decisions[decisions.rule == "balance"]
    assert (drawn.kept == (drawn.value < drawn.threshold)).all()
    assert set(decisions.step) == {"balance-captions"}


def test_languages_get_the_published_t_and_probabilities(captionlake, spark, cases, tmp_path):
    folder = cases / "metaclip_balance"
    sizes = json.loads((folder / "params.json").read_text())["entries_per_language"]
    shards = pd.read_parquet(folder / "v2_input_shard_counts.parquet")
    summed = shards.groupby(["lang", "entry_id"])["count"].sum()
    entries = [(lang, own) for lang, n in sizes.items() for own in range(n)]
    rows = [
        (i, f"{lang} {own}", lang, int(summed.get((lang, own), 0)))
        for i, (lang, own) in enumerate(entries)
    ]
    spark.createDataFrame(rows, ENTRY_COUNTS).write.format("delta").save(str(tmp_path / "counts"))
    frame = spark.createDataFrame([("a", [0]), ("b", [70])], "uid string, entry_ids array<int>")
    frame.write.format("delta").save(str(tmp_path / "matches"))
    frame.selectExpr("uid", "uid caption").write.format("delta").save(str(tmp_path / "captions"))
    outcome = captionlake(
        *arguments(tmp_path, tmp_path),
        *("--entry-counts", tmp_path / "counts", "--t", 20, "--by-language"),
        *("--probabilities", tmp_path / "probabilities"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    found = read_delta(spark, tmp_path / "probabilities").toPandas()
    expected = json.loads((folder / "v2_expected_language_thresholds.json").read_text())
    of_lang = {row["lang"]: row["t"] for row in expected if row["t_en"] == 20}
    assert found.groupby("lang")["t"].agg(set).to_dict() == {k: {v} for k, v in of_lang.items()}
    published = pd.read_parquet(folder / "v2_expected_language_probability.parquet")
    published = published[published.t_en == 20].set_index(["lang", "entry_id"])
    for row in found.itertuples():
        lang, own = entries[row.entry_id]
        wanted = published.probability_float32[(lang, own)]
        assert np.float32(row.keep_probability) == pytest.approx(wanted, abs=1e-7)


def test_a_bank_without_languages_cannot_be_balanced_by_them(captionlake, tables, tmp_path):
    outcome = captionlake(*arguments(tables, tmp_path), "--t", 9, "--by-language")
    assert outcome.exit_code == 3
    assert "reference_language = 'en': the entries are of no language" in outcome.error


def test_two_ways_to_t_are_refused(captionlake, tables, tmp_path):
    outcome = captionlake(*arguments(tables, tmp_path), "--t", 9, "--target-rows", 9)
    assert outcome.exit_code == 2
    assert (
        "exactly one of t, tail_fraction and target_rows, found t and target_rows" in outcome.error
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no array", "counts.npy: is no .npy array"),
        (None, "expected whole numbers of shape (n_entries,), found float64 of shape (2, 1)"),
    ],
)
def test_an_npy_that_is_no_count_is_refused(captionlake, tables, tmp_path, content, message):
    file = tmp_path / "counts.npy"
    if content is None:
        np.save(file, np.zeros((2, 1)))
    else:
        file.write_bytes(content)
    outcome = captionlake(*arguments(tables, tmp_path), "--t", 9, "--entry-counts", file)
    assert outcome.exit_code == 3
    assert message in outcome.error
