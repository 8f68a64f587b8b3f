"""Exact de-duplication: which row stays."""

from collections import Counter

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.testing import assertDataFrameEqual

from spark_jobs.dedup.exact import keep_smallest_uid, mark_smallest_uid

SCHEMA = "uid string, caption string, url string"
SCHEMA_NAMES = ["uid", "caption", "url"]


def test_the_smallest_uid_of_equal_captions_stays(spark: SparkSession) -> None:
    rows = [("c", "cat", None), ("a", "cat", "x"), ("b", "cat ", None), ("d", "Cat", None)]
    kept = keep_smallest_uid(spark.createDataFrame(rows, SCHEMA), by=["caption"])
    assert sorted(row.uid for row in kept.collect()) == ["a", "b", "d"]


def test_rows_without_a_url_are_no_copies_of_each_other(spark: SparkSession) -> None:
    rows = [("a", "x", None), ("b", "x", None), ("c", "y", "u"), ("d", "z", "u")]
    kept = keep_smallest_uid(spark.createDataFrame(rows, SCHEMA), by=["url"])
    assert sorted(row.uid for row in kept.collect()) == ["a", "b", "c"]


def test_caption_and_url_together(spark: SparkSession) -> None:
    rows = [("a", "x", None), ("b", "x", None), ("c", "x", "u"), ("d", "x", "u"), ("e", "y", "u")]
    kept = keep_smallest_uid(spark.createDataFrame(rows, SCHEMA), by=["caption", "url"])
    assert sorted(row.uid for row in kept.collect()) == ["a", "c", "e"]


def test_the_same_rows_stay_under_any_partitioning(spark: SparkSession) -> None:
    rows = [(f"u{i:04}", f"caption {i % 97}", None) for i in range(2_000)]
    frame = spark.createDataFrame(rows, SCHEMA)
    one, seven = (keep_smallest_uid(frame.repartition(n), by=["caption"]) for n in (1, 7))
    assertDataFrameEqual(one, seven)
    assert one.count() == 97


@pytest.mark.parametrize("by", [["caption"], ["caption", "url"]])
def test_kept_and_marked_rows_are_those_of_a_loop(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, by: list[str]
) -> None:
    """Most rows are of one group; uids may be there twice, in one group or in two."""
    monkeypatch.setattr("spark_jobs.dedup.exact._N_GROUP_PARTS", 5)
    rng = np.random.default_rng(len(by))
    n = 500
    texts = [None, "", "a", "cat", "cat "]
    rows = [
        (f"u{rng.integers(0, 2 * n):04}", texts[k], texts[m])
        for k, m in zip(
            rng.choice(5, n, p=[0.1, 0.1, 0.1, 0.1, 0.6]), rng.choice(3, n), strict=True
        )
    ]
    smallest: dict[tuple[str | None, ...], str] = {}
    for uid, caption, url in rows:
        group = (caption, url)[: len(by)]
        group = (*group, uid if set(group) == {None} else None)
        smallest[group] = min(uid, smallest.get(group, uid))
    frame = spark.createDataFrame(rows, SCHEMA).repartition(4)
    kept = keep_smallest_uid(frame, by=by)
    expected = Counter((*group[: len(by)], uid) for group, uid in smallest.items())
    assert Counter(map(tuple, kept.select(*by, "uid").collect())) == expected
    marked = mark_smallest_uid(frame, by=by)
    assert Counter(map(tuple, marked.select(SCHEMA_NAMES).collect())) == Counter(rows)
    of_marked = marked.where("kept").select(*by, "uid").collect()
    assert Counter(map(tuple, of_marked)) == expected
