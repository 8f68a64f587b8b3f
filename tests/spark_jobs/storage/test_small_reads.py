"""Small tables are read by their log, with the rows and columns of Delta."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType
from pyspark.testing import assertDataFrameEqual

from spark_jobs.core.addresses import parse_address
from spark_jobs.storage import history, small_reads
from spark_jobs.storage.small_reads import read_small_table
from spark_jobs.storage.tables import read_table

COLUMNS = (
    "uid string, n int, big bigint, x float, y double, yes boolean, raw binary, day date, "
    "at timestamp, price decimal(9,2), ids array<int>, box struct<a: int, b: array<string>>, "
    "named map<string, int>, `a.b` string"
)
ROWS = [
    ("u", 1, 2**40, 0.5, None, True, b"\xff", date(1969, 1, 2), datetime(2020, 1, 2, 3),
     Decimal("1.50"), [1, None], (1, ["x"]), {"k": 1}, "dot"),
    ("v", *[None] * 13),
]  # fmt: skip


def write(spark: SparkSession, rows: list, columns: str, path: Path, **options: str) -> None:
    frame = spark.createDataFrame(rows, columns)
    frame.write.format("delta").mode("append").options(**options).save(str(path))


@pytest.mark.parametrize("is_on_a_server", [False, True])
def test_each_version_has_the_rows_and_columns_that_delta_gives(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_on_a_server: bool
) -> None:
    monkeypatch.setattr(history, "is_remote", lambda _: is_on_a_server)
    path = tmp_path / "day=3" / "a table"  # no column of its own, as a folder of a data set has
    write(spark, ROWS, COLUMNS, path)
    write(spark, [("w", 7)], "uid string, later int", path, mergeSchema="true")
    spark.sql(f"DELETE FROM delta.`{path}` WHERE uid = 'u'")
    table = parse_address(str(path))
    for version in (0, 1, 2, None):
        by_log = read_small_table(spark, table, version)
        reader = spark.read.format("delta")
        by_delta = (reader if version is None else reader.option("versionAsOf", version)).load(
            str(path)
        )
        if is_on_a_server and version in (0, 1):  # whose files VACUUM may have removed
            assert by_log is None
            continue
        assert by_log is not None
        assert by_log.schema == by_delta.schema
        assertDataFrameEqual(by_log, by_delta)


def test_an_empty_table_has_its_columns(spark: SparkSession, tmp_path: Path) -> None:
    write(spark, [], COLUMNS, tmp_path / "empty")
    rows = read_small_table(spark, parse_address(str(tmp_path / "empty")), None)
    assert rows is not None
    assert (rows.columns, rows.collect()) == (spark.createDataFrame([], COLUMNS).columns, [])


def test_what_is_not_small_or_not_plain_is_left_to_delta(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(str(i), i % 2) for i in range(4)]
    columns = "uid string, part int"
    frame = spark.createDataFrame(rows, columns).coalesce(1)
    plain, parted, globbed = (tmp_path / name for name in ("plain", "parted", "a{b}"))
    for path in (plain, globbed):
        frame.write.format("delta").save(str(path))
    frame.write.format("delta").partitionBy("part").save(str(parted))
    for path in (parted, globbed, tmp_path / "absent"):
        assert read_small_table(spark, parse_address(str(path)), None) is None
    assert read_small_table(spark, parse_address(str(plain)), 7) is None
    for path in (parted, globbed):
        read = read_table(spark, str(path), StructType())
        assert sorted(map(tuple, read.select("uid", "part").collect())) == rows
    for name in ("_MOST_FILES", "_MOST_BYTES"):
        with monkeypatch.context() as patched:
            patched.setattr(small_reads, name, 0)
            assert read_small_table(spark, parse_address(str(plain)), None) is None
    next(plain.glob("*.parquet")).unlink()
    assert read_small_table(spark, parse_address(str(plain)), None) is None
