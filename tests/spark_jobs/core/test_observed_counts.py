"""Counts that come with the write, and when they do not."""

from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import ArrayType, IntegerType, StringType, StructField, StructType

from spark_jobs.core import observed_counts, observed_sums
from spark_jobs.core.observed_counts import ObservedCounts
from udfs.arrow import Batches

ROWS = [("a", [0, 2]), ("b", []), ("c", [2]), ("d", [2, 3])]
SCHEMA = StructType(
    [
        StructField("uid", StringType(), nullable=False),
        StructField("n", IntegerType(), nullable=False),
        StructField("entry_ids", ArrayType(IntegerType(), containsNull=False), nullable=False),
    ]
)


@pytest.fixture
def rows(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([(uid, 1, ids) for uid, ids in ROWS], SCHEMA).repartition(3)


def same(batches: Batches) -> Batches:
    return batches


def test_rows_and_counts_come_from_one_write(
    spark: SparkSession, rows: DataFrame, tmp_path: Path
) -> None:
    for _ in ("the first write", "the second"):
        observed = ObservedCounts()
        frame = observed.map_and_count(rows, same, SCHEMA)
        frame.write.format("delta").mode("overwrite").save(str(tmp_path / "t"))
        stored = spark.read.format("delta").load(str(tmp_path / "t")).collect()
        assert sorted((row.uid, row.entry_ids) for row in stored) == ROWS
        matched, counts = observed.get(4, 5) or (0, None)
        assert matched == 3
        assert counts is not None
        assert counts.tolist() == [1, 0, 3, 1, 0]


def test_they_are_not_given_for_another_number_of_rows(rows: DataFrame) -> None:
    observed = ObservedCounts()
    observed.map_and_count(rows, same, SCHEMA).collect()
    assert observed.get(5, 5) is None


def test_they_are_not_given_where_they_are_too_much(
    rows: DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observed_counts, "_MOST_BYTES", 10)
    observed = ObservedCounts()
    assert observed.map_and_count(rows, same, SCHEMA).count() == 4
    assert observed.get(4, 5) is None


def test_nobody_waits_for_what_is_never_told(
    rows: DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observed_sums, "_TIMEOUT_S", 0.1)
    observed = ObservedCounts()
    observed.map_and_count(rows, same, SCHEMA)  # never run
    assert observed.get(4, 5) is None


def test_no_rows_are_no_counts(rows: DataFrame) -> None:
    observed = ObservedCounts()
    assert observed.map_and_count(rows.where("uid = 'z'"), same, SCHEMA).collect() == []
    matched, counts = observed.get(0, 3) or (1, None)
    assert matched == 0
    assert counts is not None
    assert counts.tolist() == [0, 0, 0]
