"""Rows at a time, by how long the rows of a table are."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.storage.batches import batches_that_fit

LIMITS = (
    "spark.sql.execution.arrow.maxRecordsPerBatch",
    "spark.sql.parquet.columnarReaderBatchSize",
)


def limits(spark: SparkSession) -> list[int]:
    return [int(str(spark.conf.get(name))) for name in LIMITS]


@pytest.mark.parametrize(("n_bytes", "most_rows"), [(50, 10_000), (1_048_576, 100)])
def test_long_rows_come_in_smaller_batches(
    spark: SparkSession, tmp_path: Path, n_bytes: int, most_rows: int
) -> None:
    usual = limits(spark)
    short = spark.range(100).select(F.col("id").cast("string").alias("caption"))
    long = spark.range(40).select(
        F.expr(f"substring(repeat(md5(string(id)), 32768), 1, {n_bytes}) caption")
    )
    for part in (short, long):
        part.coalesce(1).write.format("delta").mode("append").save(str(tmp_path / "table"))
    frame = spark.read.format("delta").load(str(tmp_path / "table"))
    with batches_that_fit(frame):
        within = limits(spark)
        assert frame.mapInArrow(lambda batches: batches, "caption string").count() == 140
    if most_rows == 10_000:
        assert within == usual
    else:
        assert 10 < max(within) <= most_rows
    assert limits(spark) == usual


def test_a_view_of_unknown_files_keeps_the_limits(spark: SparkSession) -> None:
    usual = limits(spark)
    with batches_that_fit(spark.range(3).withColumn("caption", F.lit("x"))):
        assert limits(spark) == usual


def test_the_limits_come_back_after_a_fault(spark: SparkSession, tmp_path: Path) -> None:
    usual = limits(spark)
    spark.range(3).write.format("delta").save(str(tmp_path / "table"))
    frame = spark.read.format("delta").load(str(tmp_path / "table"))
    with pytest.raises(ValueError, match="broken"), batches_that_fit(frame):
        raise ValueError("broken")
    assert limits(spark) == usual
