"""Rows of equal numbers, a partition for each."""

import pytest
from pyspark.sql import functions as F

from spark_jobs.core.even_partitions import partition_keys, repartition_evenly


def test_each_number_has_a_partition_of_its_own(spark) -> None:
    rows = spark.range(37 * 3).select((F.col("id") % 37).cast("int").alias("chunk"))
    parts = repartition_evenly(rows, 37, "chunk").withColumn("part", F.spark_partition_id())
    found = parts.distinct().collect()
    assert len({row["part"] for row in found}) == len(found) == 37


@pytest.mark.parametrize("n", [1, 2, 1000])
def test_there_are_as_many_keys_as_partitions(n: int) -> None:
    assert len(set(partition_keys(n).tolist())) == n
