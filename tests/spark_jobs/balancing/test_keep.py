"""Balancing against the published counts and probabilities, and against its own law."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual

from spark_jobs.balancing.entry_count import count_matches, name_entries
from spark_jobs.balancing.keep import BALANCING, keep_balanced, match_probability, weigh_matches
from spark_jobs.core.draws import Draw
from spark_jobs.core.schemas import MATCHES
from spark_jobs.dedup.exact import keep_smallest_uid


@pytest.fixture(scope="module")
def dogs(spark: SparkSession) -> DataFrame:
    """2,000 captions that match one entry."""
    return spark.createDataFrame([(f"u{i}", [0]) for i in range(2_000)], MATCHES).cache()


def test_thins_a_head_entry_to_about_t_captions(dogs: DataFrame) -> None:
    kept = keep_balanced(dogs, np.array([100 / 2000]), draw=Draw(BALANCING, 0))
    assert kept.count() == pytest.approx(100, abs=40)  # 4 standard deviations


def test_draws_alike_under_any_partitioning(dogs: DataFrame) -> None:
    one, seven = (
        keep_balanced(dogs.repartition(n), np.array([0.05]), draw=Draw(BALANCING, 0))
        for n in (1, 7)
    )
    assertDataFrameEqual(one, seven)


def test_another_seed_draws_other_captions(dogs: DataFrame) -> None:
    kept = [
        {r.uid for r in keep_balanced(dogs, np.array([0.1]), draw=Draw(BALANCING, s)).collect()}
        for s in (0, 1)
    ]
    assert kept[0] != kept[1]
    assert len(kept[0] & kept[1]) < 60  # 20 expected of two independent draws


def test_uniform_fills_the_unit_interval_evenly(spark: SparkSession) -> None:
    draws = spark.range(20_000).select(Draw("test", 3).of("id").alias("u")).toPandas()["u"]
    assert draws.between(0, 1, inclusive="left").all()
    shares = np.histogram(draws, bins=20, range=(0, 1))[0] / len(draws)
    assert shares == pytest.approx(np.full(20, 0.05), abs=0.0077)  # 5 standard deviations


def test_caption_without_entries_goes_at_any_t(spark: SparkSession) -> None:
    matches = spark.createDataFrame([("a", []), ("b", [0])], MATCHES)
    kept = keep_balanced(
        matches, match_probability(np.array([1]), t=1_000), draw=Draw(BALANCING, 0)
    )
    assert [row.uid for row in kept.collect()] == ["b"]


def test_match_probability_is_t_over_count_above_t() -> None:
    assert match_probability(np.array([0, 5, 10, 40]), t=10).tolist() == [1.0, 1.0, 1.0, 0.25]


class TestPublishedRun:
    """The case metaclip_balance: 507 rows, 405 distinct captions, 40 entries."""

    @pytest.fixture(scope="class")
    def folder(self, cases: Path) -> Path:
        return cases / "metaclip_balance"

    @pytest.fixture(scope="class")
    def distinct(self, spark: SparkSession, folder: Path) -> DataFrame:
        rows = pq.read_table(folder / "input_rows.parquet").to_pylist()
        named = [(f"{r['file']}-{r['position']:05}", r["caption"], r["entry_ids"]) for r in rows]
        schema = "uid string, caption string, entry_ids array<int>"
        frame = spark.createDataFrame(named, schema).repartition(3)
        return keep_smallest_uid(frame, by=["caption"]).cache()

    def counts(self, folder: Path) -> np.ndarray:
        table = pq.read_table(folder / "expected_entry_count.parquet").sort_by("entry_id")
        return table["count"].to_numpy()

    def test_distinct_captions_and_their_ids(self, distinct: DataFrame, folder: Path) -> None:
        expected = pq.read_table(folder / "expected_dedup.parquet").to_pylist()
        found = {row.caption: sorted(row.entry_ids) for row in distinct.collect()}
        assert found == {row["caption"]: sorted(row["entry_ids"]) for row in expected}

    def test_entry_counts(self, spark: SparkSession, distinct: DataFrame, folder: Path) -> None:
        bank = spark.range(40).select(
            F.col("id").cast("int").alias("entry_id"), F.lit("x").alias("entry")
        )
        counted = name_entries(count_matches(distinct), bank).collect()
        assert [row.entry_count for row in counted] == self.counts(folder).tolist()

    def test_probability_of_each_entry_and_t(self, folder: Path) -> None:
        for row in pq.read_table(folder / "expected_entry_probability.parquet").to_pylist():
            found = match_probability(self.counts(folder), t=row["t"])[row["entry_id"]]
            assert found == pytest.approx(row["probability"], abs=1e-9)

    def test_keep_probability_of_each_caption_and_t(
        self, distinct: DataFrame, folder: Path
    ) -> None:
        expected = pq.read_table(folder / "expected_keep_probability.parquet").to_pandas()
        captions = {row.uid: row.caption for row in distinct.collect()}
        for t, rows in expected.groupby("t"):
            weighed = weigh_matches(distinct, match_probability(self.counts(folder), t=int(t)))
            found = {captions[row.uid]: row.keep_probability for row in weighed.collect()}
            wanted = dict(zip(rows["caption"], rows["keep_probability"], strict=True))
            assert found == pytest.approx(wanted, abs=1e-9)

    def test_what_must_stay_and_go_and_how_many_stay(
        self, distinct: DataFrame, folder: Path
    ) -> None:
        stats = json.loads((folder / "expected_stats.json").read_text())
        for per_t in stats["per_t"]:
            probability = match_probability(self.counts(folder), t=per_t["t"])
            weighed = weigh_matches(distinct, probability).toPandas()["keep_probability"]
            assert (weighed == 1.0).sum() == per_t["always_kept"]
            assert (weighed == 0.0).sum() == per_t["never_kept"]
            kept = keep_balanced(distinct, probability, draw=Draw(BALANCING, 0)).count()
            assert kept == pytest.approx(per_t["kept_mean"], abs=5 * per_t["kept_sd"] + 1e-9)


def test_pairs_of_the_published_sampler_have_its_counts_and_probabilities(
    spark: SparkSession, cases: Path
) -> None:
    """MetaCLIP v1 draws per (entry, pair) of an inverted index and keeps a pair with any hit."""
    folder = cases / "metaclip_balance"
    index = pq.read_table(folder / "v1_input_inverted_index.parquet").to_pandas()
    by_pair = index.sort_values("entry_id").groupby("pair_id")["entry_id"].apply(list)
    rows = [(str(pair_id), entry_ids) for pair_id, entry_ids in by_pair.items()]
    matches = spark.createDataFrame(rows, MATCHES).cache()
    published = pq.read_table(folder / "v1_expected_entry_count.parquet").sort_by("entry_id")
    counts = published["count"].to_numpy()
    counted = {row.entry_id: row.entry_count for row in count_matches(matches).collect()}
    assert [counted.get(k, 0) for k in range(len(counts))] == counts.tolist()
    expected = pq.read_table(folder / "v1_expected_keep_probability.parquet").to_pandas()
    for t, wanted in expected.groupby("t"):
        weighed = weigh_matches(matches, match_probability(counts, t=int(t))).collect()
        found = {int(row.uid): row.keep_probability for row in weighed}
        pairs = zip(wanted["pair_id"], wanted["keep_probability"], strict=True)
        assert found == pytest.approx(dict(pairs), abs=1e-9)
