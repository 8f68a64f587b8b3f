"""Small tables that are written without Delta's own write are those that Delta would write."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructType, TimestampType

from spark_jobs.core.errors import OutputTableError
from spark_jobs.core.schemas import RUNS
from spark_jobs.storage import light_writes, tables
from spark_jobs.storage.history import read_commits
from spark_jobs.storage.light_writes import append_row, append_table, write_table
from tests.delta_tables import read_delta
from tests.spark_jobs.storage.test_worker_writes import METADATA, action, all_types, as_json

ENGINE = "captionlake/"


def is_light(table: Path, version: int) -> bool:
    return str(action(table, version, "commitInfo")["engineInfo"]).startswith(ENGINE)


def files_in(table: Path) -> int:
    return len(list(table.glob("*.parquet")))


def without_images(spark: SparkSession, n: int = 200) -> DataFrame:
    return all_types(spark, n).drop("image")


def test_rows_of_all_types_are_those_that_delta_writes(spark: SparkSession, tmp_path: Path) -> None:
    rows = without_images(spark)
    light, by_delta = tmp_path / "light", tmp_path / "delta"
    for _ in range(2):  # the second replaces the first
        result = write_table(rows, str(light), METADATA)
        tables.write_table(rows, str(by_delta), METADATA)
        assert result.rows == 200
        assert as_json(read_delta(spark, light)) == as_json(read_delta(spark, by_delta))
        assert as_json(spark.read.format("delta").load(str(light))) == as_json(rows)
    assert is_light(light, 0)
    assert is_light(light, 1)
    assert not is_light(by_delta, 1)
    assert read_delta(spark, light).schema == read_delta(spark, by_delta).schema


def test_few_files_holds(spark: SparkSession, tmp_path: Path) -> None:
    rows = spark.range(0, 100, 1, 20).withColumn("uid", F.col("id").cast("string"))
    write_table(rows, str(tmp_path / "many"), METADATA)
    write_table(rows, str(tmp_path / "few"), METADATA, few_files=True)
    assert files_in(tmp_path / "many") == 20
    assert files_in(tmp_path / "few") < 20
    assert read_delta(spark, tmp_path / "few").count() == 100


@pytest.mark.parametrize(
    ("sound", "broken"),
    [
        ("'u' AS uid", "string(null) AS uid"),
        ("1 AS entry_id, 0L AS entry_count", "1 AS entry_id, -1L AS entry_count"),
        ("1 AS entry_id, 0L AS entry_count", "int(null) AS entry_id, 1L AS entry_count"),
        ("0.5D AS keep_probability", "double('NaN') AS keep_probability"),
        ("0.5D AS keep_probability", "0D AS keep_probability"),
        ("0.5F AS score, 'a' AS query_type", "float('NaN') AS score, 'a' AS query_type"),
    ],
)
def test_a_row_that_breaks_a_constraint_is_named_as_by_delta(
    spark: SparkSession, tmp_path: Path, sound: str, broken: str
) -> None:
    table = tmp_path / "t"
    write_table(spark.sql(f"SELECT {sound}"), str(table), METADATA)
    assert is_light(table, 0)
    rows = spark.sql(f"SELECT {sound} UNION ALL SELECT {broken}")
    messages = []
    for write in (write_table, tables.write_table):
        with pytest.raises(OutputTableError) as fault:
            write(rows, str(table), METADATA)
        messages.append(str(fault.value))
    assert messages[0] == messages[1]
    assert len(read_commits(spark, tables.parse_address(str(table)))) == 1
    assert read_delta(spark, table).count() == 1


def appended(spark: SparkSession, table: Path, run: str, n: int = 3, part: str = "") -> None:
    rows = spark.range(n).select(F.concat(F.lit(run), "id").alias("uid"))
    append_table(rows, str(table), METADATA | {"run_id": run}, part=part)


def test_a_run_appends_its_rows_once(spark: SparkSession, tmp_path: Path) -> None:
    table = tmp_path / "t"
    for run, part in (("a", ""), ("a", ""), ("b", ""), ("a", ".x"), ("a", ".x"), ("b", "")):
        appended(spark, table, run, part=part)
    assert read_delta(spark, table).count() == 9
    assert is_light(table, 2)


def test_delta_and_we_append_by_turns(spark: SparkSession, tmp_path: Path) -> None:
    table = tmp_path / "t"
    for number in range(25):  # Delta writes the twentieth commit itself, with a checkpoint
        append: Callable[..., Any] = (append_table, tables.append_table)[number % 3 == 2]
        rows = spark.range(2).select(F.lit(f"{number}").alias("uid"))
        append(rows, str(table), METADATA | {"run_id": f"r{number}"})
        append(rows, str(table), METADATA | {"run_id": f"r{number}"})
    assert spark.read.format("delta").load(str(table)).count() == 50
    assert read_delta(spark, table).count() == 50
    assert list((table / "_delta_log").glob("*.checkpoint.parquet"))


def test_runs_that_append_at_once_lose_nothing(spark: SparkSession, tmp_path: Path) -> None:
    table = tmp_path / "t"
    threads = [threading.Thread(target=appended, args=(spark, table, f"r{k}")) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_delta(spark, table).select("uid").distinct().count() == 12


def test_one_row(spark: SparkSession, tmp_path: Path) -> None:
    import datetime as dt

    table, columns = tmp_path / "t", StructType().add("a", StringType()).add("n", LongType())
    columns = columns.add("at", TimestampType())
    at = dt.datetime(2024, 2, 29, 12, 30, 1, 5, dt.UTC)
    for run in ("a", "b", "b"):
        append_row(spark, ("é", 2**60, at), columns, str(table), METADATA | {"run_id": run})
    rows = spark.read.format("delta").load(str(table)).selectExpr("a", "n", "unix_micros(at)")
    assert rows.collect() == [("é", 2**60, int(at.timestamp() * 1e6))] * 2
    assert read_delta(spark, table).schema == columns
    assert is_light(table, 0)


def test_a_table_of_other_columns_is_left_to_delta(spark: SparkSession, tmp_path: Path) -> None:
    table = tmp_path / "t"
    older = StructType([field for field in RUNS if field.name != "stamps"][:-1])
    spark.createDataFrame([], older).write.format("delta").save(str(table))
    row = tuple(None for _ in RUNS)
    append_row(spark, row, RUNS, str(table), METADATA)
    assert not is_light(table, 1)
    assert set(spark.read.format("delta").load(str(table)).columns) == set(RUNS.names)


@pytest.mark.parametrize("most", ["_MOST_BYTES", "_MOST_FILES"])
def test_what_is_read_from_much_is_left_to_delta(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: str
) -> None:
    spark.range(0, 1_000, 1, 2).write.parquet(str(tmp_path / "in put%20"))
    rows = spark.read.parquet(str(tmp_path / "in put%20"))
    write_table(rows, str(tmp_path / "light"), METADATA)
    monkeypatch.setattr(light_writes, most, 1)
    write_table(rows, str(tmp_path / "delta"), METADATA)
    assert is_light(tmp_path / "light", 0)
    assert not is_light(tmp_path / "delta", 0)


def test_images_are_left_to_delta(spark: SparkSession, tmp_path: Path) -> None:
    write_table(all_types(spark, 10), str(tmp_path / "t"), METADATA)
    assert not is_light(tmp_path / "t", 0)


def test_a_job_that_fails_leaves_no_file(spark: SparkSession, tmp_path: Path) -> None:
    table = tmp_path / "t"
    rows = spark.range(4).selectExpr("string(if(id = 3, raise_error('no'), id)) AS uid")
    with pytest.raises(Exception, match="no"):
        write_table(rows, str(table), METADATA)
    assert files_in(table) == 0
