"""plan-balance: what it foretells is what balancing then keeps."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark_jobs.balancing.keep import BALANCING, match_probability
from spark_jobs.balancing.plan import round_ts
from spark_jobs.core.draws import Draw
from tests.delta_tables import read_delta
from udfs.balancing import keep_probability

ROWS, ENTRIES = 1_000_000, 5_000


@pytest.fixture(scope="module")
def entry_ids() -> pa.ListArray:
    """Zipf-distributed entries, none to seven a caption, each once."""
    draws = np.random.default_rng(0)
    share = 1 / np.arange(1, ENTRIES + 1)
    sizes = draws.integers(0, 8, ROWS)
    ids = draws.choice(ENTRIES, sizes.sum(), p=share / share.sum()).astype(np.int32)
    rows = np.repeat(np.arange(ROWS), sizes)
    unique = np.unique(rows * ENTRIES + ids)
    starts = np.searchsorted(unique // ENTRIES, np.arange(ROWS + 1)).astype(np.int32)
    return pa.ListArray.from_arrays(starts, (unique % ENTRIES).astype(np.int32))


@pytest.fixture(scope="module")
def matches(entry_ids: pa.ListArray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "matches.parquet"
    uids = pa.array([f"{i:032x}" for i in range(ROWS)])
    captions = pa.array([f"caption {i}" for i in range(ROWS)])
    table = pa.table({"uid": uids, "caption": captions, "entry_ids": entry_ids})
    pq.write_table(table, path, row_group_size=100_000)
    return path


@pytest.mark.slow
def test_rows_are_foretold_within_two_percent_and_three_deviations(
    captionlake, spark: SparkSession, entry_ids: pa.ListArray, matches: Path, tmp_path: Path
):
    ts = [1, 20, 300, 10_000]
    outcome = captionlake(
        *("plan-balance", "--matches", f"parquet:{matches}", "--captions", f"parquet:{matches}"),
        *("--ts", ts, "--sample-rows", 100_000, "--target-rows", 200_000),
        *("--picture", tmp_path / "plan.svg", "--output", tmp_path / "plan"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert 100_000 <= outcome.summary["counts"]["sample_rows"] < 110_000
    wanted = outcome.summary["counts"]["t"]
    assert f"> {wanted:,}" in outcome.stderr
    plan = read_delta(spark, tmp_path / "plan").toPandas().set_index("t")
    assert sorted(plan.index) == sorted([*ts, wanted])

    counts = np.bincount(entry_ids.flatten().to_numpy(), minlength=ENTRIES)
    stored = spark.read.parquet(str(matches))
    draws = stored.select("uid", Draw(BALANCING, 0).of("uid").alias("draw"))
    draw = draws.toPandas().sort_values("uid")["draw"].to_numpy()
    sizes = np.array([len(f"caption {i}") for i in range(ROWS)])
    for t in plan.index:
        probability = keep_probability(entry_ids, match_probability(counts, t=t))
        is_kept = draw < probability
        deviation = np.sqrt((probability * (1 - probability)).sum())
        slack = 0.02 * is_kept.sum() + 3 * deviation
        assert plan.expected_rows[t] == pytest.approx(is_kept.sum(), abs=slack)
        assert plan.expected_bytes[t] == pytest.approx(
            sizes[is_kept].sum(), abs=slack * sizes.max()
        )
        assert plan.tail_fraction[t] == pytest.approx(counts[counts <= t].sum() / counts.sum())
        kept_matches = (probability * pa.compute.list_value_length(entry_ids).to_numpy()).sum()
        share = counts[counts <= t].sum() / kept_matches
        assert plan.kept_tail_fraction[t] == pytest.approx(share, rel=0.02)
        assert plan.head_entries[t] == (counts > t).sum()
    assert plan.expected_rows[wanted] == pytest.approx(200_000, rel=0.01)

    picture = ElementTree.parse(tmp_path / "plan.svg").getroot()
    told = " ".join(text.strip() for text in picture.itertext())
    assert f"t = {wanted:,}" in told
    assert "share in the tail (%)" in told


def test_a_small_table_is_its_own_sample(captionlake, spark: SparkSession, tmp_path: Path):
    rows = [(f"u{i}", [0] if i % 2 else [0, 1]) for i in range(100)] + [("x", [])]
    frame = spark.createDataFrame(rows, "uid string, entry_ids array<int>")
    frame.write.format("delta").save(str(tmp_path / "matches"))
    arguments = ("plan-balance", "--matches", tmp_path / "matches", "--output", tmp_path / "plan")
    outcome = captionlake(*arguments)
    assert outcome.summary["counts"] == {"rows_in": 101, "sample_rows": 101}
    plan = read_delta(spark, tmp_path / "plan").orderBy("t").collect()
    assert [row.t for row in plan] == round_ts(100) == [1, 2, 5, 10, 20, 50, 100]
    at_10 = plan[3]
    expected = 50 * 0.1 + 50 * (1 - 0.9 * 0.8)
    assert (at_10.expected_rows, at_10.expected_bytes) == (round(expected), None)
    assert (at_10.tail_fraction, at_10.head_entries) == (0.0, 2)
    at_50, at_100 = plan[5], plan[6]  # an entry of exactly t captions is tail
    assert (at_50.tail_fraction, at_50.head_entries) == (pytest.approx(50 / 150), 1)
    assert at_50.kept_tail_fraction == pytest.approx(50 / (25 * 1 + 50 * 2))
    assert (at_100.tail_fraction, at_100.kept_tail_fraction, at_100.head_entries) == (1.0, 1.0, 0)
    again = captionlake(*arguments)
    assert again.summary["status"] == "up_to_date"
    table = [line for line in again.stderr.splitlines() if re.match(r"\s+[\d,]+\s", line)]
    assert len(table) == 7
    assert max(map(len, table)) <= 80


@pytest.mark.slow
def test_more_rows_than_match_and_an_empty_table(captionlake, spark: SparkSession, tmp_path: Path):
    frame = spark.createDataFrame([("x", [])], "uid string, entry_ids array<int>")
    frame.write.format("delta").save(str(tmp_path / "matches"))
    frame.limit(0).write.format("delta").save(str(tmp_path / "empty"))
    arguments = ("plan-balance", "--output", tmp_path / "plan", "--matches")
    outcome = captionlake(*arguments, tmp_path / "matches", "--target-rows", 5)
    assert outcome.exit_code == 3
    assert "target_rows = 5: only 0 rows match an entry" in outcome.error
    (tmp_path / "file").write_text("")
    outcome = captionlake(
        *(*arguments, tmp_path / "matches", "--picture", tmp_path / "file/plan.svg")
    )
    assert outcome.exit_code == 3
    assert f"output {tmp_path / 'file/plan.svg'}: cannot be written" in outcome.error
    outcome = captionlake(*arguments, tmp_path / "empty")
    assert outcome.exit_code == 0
    (row,) = read_delta(spark, tmp_path / "plan").collect()
    assert (row.t, row.expected_rows, row.tail_fraction) == (1, 0, 0.0)
