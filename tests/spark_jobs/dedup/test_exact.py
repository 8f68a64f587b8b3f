"""Exact de-duplication: which row stays."""

from pyspark.sql import SparkSession
from pyspark.testing import assertDataFrameEqual

from spark_jobs.dedup.exact import keep_smallest_uid

SCHEMA = "uid string, caption string, url string"


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
