"""balance-captions by its command: the three ways to t."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession


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


def test_target_rows_are_met_within_a_percent_and_the_draws(captionlake, tables, tmp_path):
    outcome = captionlake(*arguments(tables, tmp_path), "--target-rows", 4_000)
    counts = outcome.summary["counts"]
    assert counts["kept"] == pytest.approx(4_000, abs=40 + 5 * 4_000**0.5)
    assert 1 < counts["t"] < 2_858


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
