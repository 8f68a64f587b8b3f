"""Rows that the workers read from a table are those that Spark reads."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from spark_jobs.core.addresses import parse_address
from spark_jobs.storage import stored_groups
from spark_jobs.storage.stored_groups import read_groups
from spark_jobs.storage.tables import read_table, write_table
from tests.spark_jobs.storage.test_worker_writes import METADATA, all_types, as_json, write


def test_tables_of_workers_and_of_spark(spark: SparkSession, tmp_path: Path) -> None:
    rows = all_types(spark)
    write(rows, tmp_path / "workers")
    write_table(rows.drop("time"), str(tmp_path / "spark"), METADATA)
    for name in ("workers", "spark"):
        address = str(tmp_path / name)
        groups = read_groups(spark, parse_address(address), 0)
        assert groups is not None
        stored = read_table(spark, address, StructType())
        assert groups.columns == stored.schema
        assert as_json(groups.frame()) == as_json(stored)


def test_an_older_version(spark: SparkSession, tmp_path: Path) -> None:
    write(all_types(spark, 30), tmp_path / "t")
    write(all_types(spark, 40), tmp_path / "t")
    sizes = []
    for version in (0, 1):
        groups = read_groups(spark, parse_address(str(tmp_path / "t")), version)
        sizes.append(groups.frame().count() if groups else None)
    assert sizes == [30, 40]


def test_deleted_rows_stay_out(spark: SparkSession, tmp_path: Path) -> None:
    write(all_types(spark, 300).drop("time"), tmp_path / "t")
    table = f"delta.`{tmp_path / 't'}`"
    spark.sql(f"DELETE FROM {table} WHERE width < 10")
    groups = read_groups(spark, parse_address(str(tmp_path / "t")), 1)
    stored = spark.read.format("delta").load(str(tmp_path / "t"))
    assert groups is not None
    assert as_json(groups.frame()) == as_json(stored)
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES (delta.enableDeletionVectors = true)")
    spark.sql(f"DELETE FROM {table} WHERE width < 20")
    assert read_groups(spark, parse_address(str(tmp_path / "t")), 3) is None


def test_a_column_that_came_later(spark: SparkSession, tmp_path: Path) -> None:
    table = str(tmp_path / "t")
    spark.range(3).selectExpr("string(id) uid").write.format("delta").save(table)
    further = spark.range(3, 5).selectExpr("string(id) uid", "id n")
    further.write.format("delta").mode("append").option("mergeSchema", True).save(table)
    groups = read_groups(spark, parse_address(table), 1)
    assert groups is not None
    assert as_json(groups.frame()) == as_json(spark.read.format("delta").load(table))


def test_what_only_spark_can_read(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Times as Spark writes them, partitions, columns under other names, and many files."""
    write_table(all_types(spark, 5), str(tmp_path / "times"), METADATA)
    assert read_groups(spark, parse_address(str(tmp_path / "times")), 0) is None
    rows = spark.range(4).selectExpr("string(id) uid", "id % 2 part")
    rows.write.format("delta").partitionBy("part").save(str(tmp_path / "parts"))
    assert read_groups(spark, parse_address(str(tmp_path / "parts")), 0) is None
    mapped = rows.write.format("delta").option("delta.columnMapping.mode", "name")
    mapped.save(str(tmp_path / "mapped"))
    assert read_groups(spark, parse_address(str(tmp_path / "mapped")), 0) is None
    assert read_groups(spark, parse_address(str(tmp_path / "none")), 0) is None
    write(all_types(spark, 5), tmp_path / "t")
    monkeypatch.setattr(stored_groups, "_MOST_FILES", 1)
    assert read_groups(spark, parse_address(str(tmp_path / "t")), 0) is None
