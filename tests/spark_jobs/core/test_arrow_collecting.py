"""Rows on the driver as Arrow batches."""

import pyarrow as pa
from pyspark.sql import SparkSession

from spark_jobs.core.arrow_collecting import record_batches


def test_all_rows_in_their_order(spark: SparkSession) -> None:
    rows = spark.range(0, 30_000, 1, 7).selectExpr(
        "id % 1000 AS `a.b`", "id", "CASE WHEN id % 3 = 0 THEN NULL ELSE array(float(id)) END AS v"
    )
    batches = list(record_batches(rows.orderBy("`a.b`", "id"), in_order=True))
    table = pa.Table.from_batches(batches)
    assert len(batches) > 2
    assert table.column_names == ["a.b", "id", "v"]
    expected = sorted(range(30_000), key=lambda k: (k % 1000, k))
    assert table["id"].to_pylist() == expected
    assert table["v"].to_pylist() == [None if k % 3 == 0 else [k] for k in expected]


def test_no_rows(spark: SparkSession) -> None:
    assert list(record_batches(spark.range(0))) == []
