"""Samples: published results, and a slow reference on made-up rows."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.core.draws import Draw
from spark_jobs.core.errors import InputDataError
from spark_jobs.subsets.class_list import ClassList, classes_of_column
from spark_jobs.subsets.imagenet_classes import imagenet1k
from spark_jobs.subsets.sample import Sample, sample
from spark_jobs.subsets.sample_rules import DRAWN, RESTORED
from spark_jobs.subsets.sampling import Sampling

SIMILARITY = "text_to_name_def_wnid_similarity"


class TestPublished:
    @pytest.fixture(scope="class")
    def runs(self, cases: Path) -> list[dict[str, Any]]:
        path = cases / "laionet_filter_subsets" / "expected_subset_runs.json"
        return json.loads(path.read_text())

    @pytest.fixture(scope="class")
    def rows(self, spark: SparkSession, cases: Path) -> DataFrame:
        read = spark.read.parquet(str(cases / "laionet_filter_subsets" / "subset_input.parquet"))
        return read.withColumn("uid", read["row_id"].cast("string")).cache()

    def of(self, rows: DataFrame, **said: Any) -> Sample:
        sampling = Sampling(
            column="wnid", draw=Draw("test", 42), similarity=SIMILARITY, restore_by="row_id", **said
        )
        return sample(rows, imagenet1k(by_index=False), sampling)

    @pytest.mark.slow
    def test_thresholds_alone_are_exact(self, runs, rows, cases) -> None:
        file = cases / "laionet_filter_subsets" / "expected_subset_thresh.parquet"
        expected = pd.read_parquet(file)
        alone = [run for run in runs if run["n"] is None and run["frac"] == 1]
        assert len(alone) == 8
        for run in alone:
            found = self.of(rows, threshold=run["thresh"])
            published = expected[expected["thresh"] == run["thresh"]]
            subset = found.subset.select("row_id", "wnid").toPandas()
            assert sorted(subset["row_id"]) == sorted(published["row_id"])
            restored = found.rows.where(found.rule == RESTORED).toPandas()
            assert sorted(restored["row_id"]) == sorted(run["restored_row_ids"])
            assert len(found.restored) == len(run["restored_row_ids"])
            counts = subset["wnid"].value_counts().to_dict()
            assert {key: n for key, n in found.kept.items() if n} == counts

    @pytest.mark.slow
    def test_fractions_and_numbers_hold_what_was_published(self, runs, rows) -> None:
        """Where the published code fails or loses classes, the promise of every class is kept."""
        table = rows.toPandas()
        first = table.sort_values("row_id").groupby("wnid")["row_id"].first()
        drawn = [run for run in runs if run["n"] is not None or run["frac"] < 1]
        assert len(drawn) == 16
        for run in drawn:
            share = run["frac"] if run["n"] is None else None
            said = {"threshold": run["thresh"], "n": run["n"], "fraction": share}
            n = run["n"] or 0
            if n > run["rows_over_threshold"]:
                with pytest.raises(InputDataError, match="there are only"):
                    self.of(rows, **said)
                continue
            if n and n < run["classes_in_input"]:
                with pytest.raises(InputDataError, match="less than the 40 classes"):
                    self.of(rows, **said)
                continue
            found = self.of(rows, **said)
            subset = found.subset.toPandas()
            assert subset["row_id"].is_unique
            assert subset["wnid"].nunique() == run["classes_in_input"]
            over = table[table[SIMILARITY] >= run["thresh"]]["wnid"].value_counts()
            taken = subset["wnid"].value_counts()
            if n:
                assert len(subset) == n
            else:
                assert len(subset) == run["sampled_before_restoring"] + len(found.restored)
            is_first = subset["row_id"] == subset["wnid"].map(first)
            below = subset[SIMILARITY] < run["thresh"]
            assert (taken[subset[below]["wnid"]] == 1).all()
            assert is_first[below].all()
            for wnid, count in taken.items():
                assert count <= max(over.get(wnid, 0), 1)

    @pytest.mark.slow
    def test_trimmed_tails(self, spark: SparkSession, cases: Path) -> None:
        folder = cases / "incaps_subsets"
        read = spark.read.parquet(str(folder / "input.parquet"))
        rows = read.withColumnRenamed("filepath", "uid").cache()
        for run in json.loads((folder / "expected_trim_tail.json").read_text()):
            sampling = Sampling(
                column="label",
                draw=Draw("test", 0),
                tail_classes=run["lastk"],
                tail_rows=run["ceil"],
            )
            found = sample(rows, imagenet1k(by_index=True), sampling)
            assert found.subset.count() == run["rows"] == sum(found.kept.values())
            shortened = [key for key, n in found.kept.items() if n < found.available[key]]
            assert all(found.available[key] <= max(run["boundary_count"], 0) for key in shortened)
            if run["lastk"] == 300:
                zero = [key for key, n in found.kept.items() if found.available[key] and not n]
                assert len(zero) == run["rows_removed"] == 104


N = 3_000


@pytest.fixture(scope="module")
def rows(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> DataFrame:
    draws = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "uid": [f"{k:x}" for k in range(N)],
            "wnid": [f"n{c:02}" for c in np.floor(draws.random(N) ** 4 * 40)],
            "similarity": np.round(draws.random(N), 2),
            "row": draws.permutation(N),
        }
    )
    frame.loc[draws.random(N) < 0.02, "similarity"] = None
    frame.loc[frame["wnid"] == "n07", "similarity"] = 0.1
    path = tmp_path_factory.mktemp("sample") / "rows.parquet"
    frame.to_parquet(path)
    return spark.read.parquet(str(path)).repartition(3).cache()


def plain(table: pd.DataFrame, asked: Sampling) -> set[str]:
    """The same rules, row by row and class by class. table: with columns draw and second."""
    table = table[table["wnid"].notna()]
    over = table
    if asked.threshold is not None:
        over = table[table[asked.similarity] >= asked.threshold]
    of_class = {key: over[over["wnid"] == key] for key in sorted(table["wnid"].unique())}
    removed = {key for key, rows in of_class.items() if len(rows) < asked.least_per_class}
    tail = sorted(of_class, key=lambda key: len(of_class[key]))[: asked.tail_classes]
    removed |= set() if asked.tail_rows else set(tail)
    kept: dict[str, pd.DataFrame] = {}
    for key, rows in of_class.items():
        most = len(rows) if asked.most_per_class is None else asked.most_per_class
        most = min(most, asked.tail_rows) if key in tail else most
        kept[key] = rows.sort_values("draw")[: 0 if key in removed else most]
    n = asked.n
    must_stay = set(of_class) - removed if asked.keeps_every_class else set()
    if asked.fraction is not None and asked.is_stratified:
        for key, rows in kept.items():
            least = 1 if asked.keeps_every_class else 0
            kept[key] = rows.sort_values("draw")[: max(least, round(asked.fraction * len(rows)))]
    elif asked.fraction is not None:
        n = round(asked.fraction * sum(map(len, kept.values())))
    if n is not None:
        chosen = pd.concat(kept.values()).sort_values("second")[:n]
        kept = {key: chosen[chosen["wnid"] == key] for key in of_class}
        if asked.n is not None:
            for _ in [key for key in must_stay if kept[key].empty]:
                largest = max(of_class, key=lambda key: len(kept[key]))  # of equal ones the first
                kept[largest] = kept[largest].sort_values("second")[:-1]
    order = [("draw", True)]
    if asked.similarity is not None:
        order = [(asked.similarity, False), ("uid", True)]
    if asked.restore_by is not None:
        order = [(asked.restore_by, True)]
    for key in must_stay:
        if kept[key].empty:
            rows = table[table["wnid"] == key]
            kept[key] = rows.sort_values([o[0] for o in order], ascending=[o[1] for o in order])[:1]
    return set(pd.concat(kept.values())["uid"])


OVER = {"similarity": "similarity", "threshold": 0.6}
ASKED = [
    OVER,
    OVER | {"threshold": 0.97, "restore_by": "row"},
    OVER | {"keeps_every_class": False},
    {"fraction": 0.25},
    {"fraction": 0.01},
    {"fraction": 1e-4},
    {"fraction": 1e-4, "keeps_every_class": False},
    {"fraction": 1e-4, "is_stratified": True},
    {"fraction": 0.25, "is_stratified": True},
    {"fraction": 0.1, "is_stratified": True, "keeps_every_class": False},
    OVER | {"fraction": 0.5, "is_stratified": True, "restore_by": "row", "least_per_class": 5},
    {"fraction": 1.0},
    {"n": N},
    {"n": 1, "keeps_every_class": False},
    {"n": 100},
    {"n": 41, "draw": Draw("test", 3)},
    {"n": 30, "keeps_every_class": False},
    OVER | {"n": 60},
    OVER | {"n": 1_100, "restore_by": "row"},
    {"most_per_class": 20},
    {"most_per_class": 30, "least_per_class": 30},
    {"tail_classes": 20, "tail_rows": 5},
    {"tail_classes": 9, "tail_rows": 0, "n": 200},
    OVER | {"most_per_class": 10, "fraction": 0.3, "least_per_class": 3},
]


@pytest.mark.slow
@pytest.mark.parametrize("said", ASKED, ids=str)
def test_against_the_slow_way(rows: DataFrame, said: dict[str, Any]) -> None:
    asked = Sampling(**{"column": "wnid", "draw": Draw("test", 1)} | said)
    check(rows, asked)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(12))
def test_generated_samplings(spark: SparkSession, number: int) -> None:
    """Small tables and any rules together, against the slow way."""
    draws = np.random.default_rng([7, number])
    n = int(draws.integers(1, 60))
    table = pd.DataFrame({"uid": [f"{k:x}" for k in range(n)]})
    table["wnid"] = [f"n{c}" for c in np.floor(draws.random(n) ** 2 * draws.integers(1, 9))]
    table["similarity"] = np.round(draws.random(n), 1)
    asked: dict[str, Any] = {"keeps_every_class": bool(draws.integers(2))}
    if draws.random() < 0.5:
        asked |= {"similarity": "similarity", "threshold": float(np.round(draws.random(), 1))}
    if draws.random() < 0.4:
        asked |= {"most_per_class": int(draws.integers(1, 9))}
    if draws.random() < 0.3:
        asked |= {"least_per_class": int(draws.integers(1, 4))}
    if draws.random() < 0.3:
        asked |= {"tail_classes": int(draws.integers(1, 5)), "tail_rows": int(draws.integers(3))}
    asked |= {"fraction": float(draws.choice([0.01, 0.1, 0.25, 0.5, 1.0]))}
    asked |= {"is_stratified": bool(draws.integers(2))}
    rows = spark.createDataFrame(table)
    check(rows, Sampling(column="wnid", draw=Draw("test", number), **asked))


def check(rows: DataFrame, asked: Sampling) -> None:
    draws = {"draw": asked.draw_of_class.of("uid"), "second": asked.draw_of_all.of("uid")}
    table = rows.withColumns(draws).toPandas()
    classes = classes_of_column(table["wnid"].unique())
    found = sample(rows, classes, asked)
    assert {row.uid for row in found.subset.select("uid").collect()} == plain(table, asked)
    assert found.rows.count() == len(table)


def test_no_row_is_over_the_threshold_and_no_class_need_be_kept(rows: DataFrame) -> None:
    classes = classes_of_column(row.wnid for row in rows.select("wnid").distinct().collect())
    asked = Sampling(
        column="wnid", draw=Draw("test", 0), similarity="similarity", threshold=2.0, fraction=0.5,
        keeps_every_class=False,
    )  # fmt: skip
    found = sample(rows, classes, asked)
    assert found.subset.count() == sum(found.kept.values()) == found.quotas.n_drawable == 0
    assert set(found.available) == set(classes)


def test_ten_thousand_emptied_classes_get_a_row_back(spark: SparkSession) -> None:
    numbers = spark.range(10_000)
    rows = numbers.selectExpr("cast(id as string) uid", "cast(id as string) wnid")
    classes = classes_of_column(str(k) for k in range(10_000))
    found = sample(rows, classes, Sampling(column="wnid", draw=Draw("test", 0), fraction=1e-5))
    assert found.subset.count() == len(found.restored) == 10_000


def test_a_threshold_is_held_against_what_the_column_stores(spark: SparkSession) -> None:
    """0.82 as float32 is 0.8199999928, which numpy and pandas keep at 0.82; as double it is not."""
    values = np.array([0.7, 0.81999, 0.82, 0.83, np.nan], dtype=np.float32)
    table = pd.DataFrame({"uid": list("abcde"), "wnid": "n", "similarity": values})
    asked = Sampling(column="wnid", draw=Draw("test", 0), similarity="similarity", threshold=0.82)
    classes = ClassList(["n"], {"n": "n"})
    stored = spark.createDataFrame(table).withColumn(
        "similarity", F.col("similarity").cast("float")
    )
    for rows in (stored, stored.withColumn("similarity", F.col("similarity").cast("double"))):
        found = with_reasons(sample(rows, classes, asked)).collect()
        kind = rows.schema["similarity"].dataType.simpleString()
        kept = {row.uid for row in found if row.rule == DRAWN}
        assert kept == ({"c", "d"} if kind == "float" else {"d"})
        least = float(np.float32(0.82)) if kind == "float" else 0.82
        assert {row.threshold for row in found if row.rule == "threshold"} == {least}
    with pytest.raises(InputDataError, match=r"column 'uid' is string, compared with 0\.82"):
        sample(stored, classes, replace(asked, similarity="uid"))


def test_columns_of_the_input_stay_whatever_they_are_called(spark: SparkSession) -> None:
    names = ["rule", "value", "threshold", "_cut", "_decision", "_place", "_all", "_n", "_hash"]
    rows = spark.createDataFrame(
        [(f"u{k}", k % 3, *[f"{k} {name}" for name in names]) for k in range(60)],
        f"uid string, `a.b c``d` int, {', '.join(f'{name} string' for name in names)}",
    )
    for asked in ({"fraction": 0.5}, {"n": 20}, {"most_per_class": 5, "fraction": 0.5}):
        sampling = Sampling(column="a.b c`d", draw=Draw("test", 0), **asked)
        subset = sample(rows, classes_of_column([0, 1, 2]), sampling).subset
        assert subset.columns == rows.columns
        found = {tuple(row) for row in subset.collect()}
        assert found < {tuple(row) for row in rows.collect()}
        assert len(found) == {"fraction": 30, "n": 20}.get(next(iter(asked)), 8)


@pytest.mark.slow
def test_strata(rows: DataFrame) -> None:
    classes = classes_of_column(row.wnid for row in rows.select("wnid").distinct().collect())
    asked = Sampling(column="wnid", draw=Draw("test", 1), n=300, is_stratified=True)
    found = sample(rows, classes, asked)
    for key, count in found.available.items():
        assert max(1, count * 300 / N - 1) <= found.kept[key] <= max(1, count * 300 / N + 1)
    assert found.subset.count() == 300
    share = sample(rows, classes, replace(asked, n=None, fraction=0.001))
    assert share.subset.count() == len(classes) == sum(share.kept.values())


def with_reasons(found: Sample) -> DataFrame:
    reasons = {"rule": found.rule, "value": found.value, "threshold": found.threshold}
    return found.rows.withColumns(reasons)


def test_reasons(spark: SparkSession) -> None:
    table = [(f"u{k}", "ab"[k % 2], k / 10) for k in range(10)] + [
        ("v", "c", 0.9),
        ("w", None, 1.0),
        ("x", "a", float("nan")),
    ]
    rows = spark.createDataFrame(table, "uid string, wnid string, similarity double")
    asked = Sampling(
        column="wnid",
        draw=Draw("test", 0),
        similarity="similarity",
        threshold=0.85,
        most_per_class=1,
    )
    found = sample(rows, ClassList(["a", "b"], {"a": "a", "b": "b"}), asked)
    told = {row.uid: row for row in with_reasons(found).collect()}
    assert told["v"].rule == told["w"].rule == "class"
    assert told["x"].rule == "threshold"
    assert (told["u9"].rule, told["u8"].rule) == (DRAWN, RESTORED)
    assert (told["u8"].value, told["u8"].threshold) == (0.8, 0.85)
    assert (told["u3"].rule, told["u3"].value, told["u3"].threshold) == ("threshold", 0.3, 0.85)
    asked = replace(asked, threshold=0.1)
    found = sample(rows, ClassList(["b"], {"b": "b"}), asked)
    rules = [row.rule for row in with_reasons(found).collect()]
    assert sorted(rules) == ["class"] * 8 + [DRAWN] + ["per_class"] * 4
