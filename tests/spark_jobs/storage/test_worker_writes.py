"""Tables that the workers write are those that Spark writes, to all that read them."""

import json
import operator
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.arrow_mapping import MappedRows
from spark_jobs.core.errors import OutputTableError
from spark_jobs.storage import session, worker_writes
from spark_jobs.storage.history import read_commits
from spark_jobs.storage.log_entry import LocalTable
from spark_jobs.storage.stored_groups import read_groups
from spark_jobs.storage.tables import WriteResult, check_output, read_table, write_table
from spark_jobs.storage.worker_writes import WrittenFiles, write_files
from tests.spark_jobs.storage.test_bit_rot import flips
from udfs.arrow import Batches, BatchFunction

METADATA = {"run_id": "r1", "job": "j", "settings_sha": "s", "table": "t"}
N = 3_000


def all_types(spark: SparkSession, n: int = N, *, uid: str = "md5(string(id))") -> DataFrame:
    """Columns that tables of captions may carry, with nulls in all but the uid."""
    values = {
        "caption": "concat('a cat ', id, '\\u00e9', repeat('x', int(id % 90)))",
        "width": "int(id % 1000)",
        "big": "id * 4000000000",
        "small": "smallint(id % 300)",
        "tiny": "tinyint(id % 100)",
        "similarity": "float(if(id % 9 = 0, 'NaN', id / 7))",
        "value": "double(id) / 3 - 100",
        "price": "cast(id / 3 as decimal(20, 4))",
        "day": "date_add(date'1970-01-01', int(id) - 500)",
        "time": "timestamp_micros(id * 987654321987 - 100000000000000)",
        "image": "unhex(md5(string(id)))",
        "is_in": "id % 3 = 0",
        "entry_ids": "array(int(id % 7), int(id % 11))",
        "texts": "array(string(id), null, '')",
        "pair": "named_struct('a', id, 'b', array(named_struct('c', string(id))))",
        "by_name": "map('k', id, 'l', null)",
        "no_value": "string(null)",
    }
    columns = [
        f"if(hash(id, {k}) % 5 = 0, null, {value}) AS {name}"
        for k, (name, value) in enumerate(values.items())
    ]
    return spark.range(0, n, 1, 3).selectExpr(f"{uid} AS uid", *columns)


def counting_nothing() -> BatchFunction:
    def read(batches: Batches) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            pass
        yield from ()

    return read


def unchanged(rows: DataFrame) -> MappedRows:
    return MappedRows(rows, iter, rows.schema)


def files_of(rows: DataFrame, table: Path) -> WrittenFiles | None:
    return write_files(unchanged(rows), str(table), counting_nothing(), [])


def write(rows: DataFrame, table: Path) -> WriteResult:
    written = files_of(rows, table)
    assert written is not None
    return written.commit(rows.sparkSession, METADATA)


def log_of(table: Path, version: int) -> list[dict[str, Any]]:
    content = (table / f"_delta_log/{version:020d}.json").read_text(encoding="utf-8")
    return [json.loads(line) for line in content.splitlines()]


def action(table: Path, version: int, name: str) -> dict[str, Any]:
    return next(dict(line[name]) for line in log_of(table, version) if name in line)


def meta_data(table: Path) -> dict[str, Any]:
    stored = action(table, 0, "metaData")
    return stored | {"id": 0, "createdTime": 0, "schemaString": json.loads(stored["schemaString"])}


def as_json(rows: DataFrame) -> list[str]:
    options = {"ignoreNullFields": "false", "timestampFormat": "yyyy-MM-dd HH:mm:ss.SSSSSS"}
    return sorted(row[0] for row in rows.select(F.to_json(F.struct("*"), options)).collect())


def test_table_is_that_which_spark_writes(spark: SparkSession, tmp_path: Path) -> None:
    rows = all_types(spark)
    by_spark, by_workers = tmp_path / "spark", tmp_path / "workers"
    spark_result = write_table(rows, str(by_spark), METADATA)
    result = write(rows, by_workers)
    assert result.rows == spark_result.rows == N
    tables = [
        read_table(spark, str(path), StructType(), version=version)
        for path, version in ((by_spark, spark_result.version), (by_workers, result.version))
    ]
    through_delta = spark.read.format("delta").load(str(by_workers))
    assert tables[0].schema == tables[1].schema == through_delta.schema
    assert as_json(tables[0]) == as_json(tables[1]) == as_json(through_delta)
    of_spark, of_workers = (meta_data(path) for path in (by_spark, by_workers))
    assert of_workers == of_spark
    assert action(by_workers, 0, "protocol") == action(by_spark, 0, "protocol")


def test_statistics_hold(spark: SparkSession, tmp_path: Path) -> None:
    """Each query that Delta may answer from statistics, or by passing over files, is right."""
    rows = all_types(spark)
    write(rows, tmp_path / "t")
    stored = spark.read.format("delta").load(str(tmp_path / "t"))
    drawn = random.Random(1)
    for name in ("uid", "caption", "width", "big", "small", "tiny", "value", "day", "time"):
        values = [row[0] for row in rows.select(name).where(f"{name} IS NOT NULL").collect()]
        assert stored.where(f"{name} IS NULL").count() == N - len(values)
        for value in drawn.sample(values, 2):
            for compare in (operator.lt, operator.eq, operator.ge):
                found = stored.where(compare(stored[name], value)).count()
                assert found == rows.where(compare(rows[name], value)).count(), (name, value)
    assert stored.where("similarity > 1e9").count() == rows.where("similarity > 1e9").count()
    assert (
        stored.agg({"big": "max", "value": "min"}).first()
        == rows.agg({"big": "max", "value": "min"}).first()
    )
    added = [line["add"] for line in log_of(tmp_path / "t", 0) if "add" in line]
    assert sum(json.loads(add["stats"])["numRecords"] for add in added) == N


def test_days_and_times_before_the_calendar_of_today(spark: SparkSession, tmp_path: Path) -> None:
    """Spark refuses dates before 1582 and times before 1900 unless the file says by which rules."""
    rows = spark.range(800).selectExpr(
        *("string(id) AS uid", "date_add(date'0001-01-01', int(id) * 911) AS day"),
        *("timestamp_micros(id * 78892315123456 - 62135510400000000) AS time", "id"),
    )
    write(rows, tmp_path / "t")
    stored = spark.read.format("delta").load(str(tmp_path / "t"))
    assert as_json(stored) == as_json(rows)
    for day in ("0001-01-01", "1500-02-28", "1582-10-10"):
        for bound in (f"day < date'{day}'", f"day >= date'{day}'", f"time < timestamp'{day}'"):
            assert stored.where(bound).count() == rows.where(bound).count()
    address = parse_address(str(tmp_path / "t"))
    groups = read_groups(spark, address, 0)
    assert groups is not None
    assert as_json(groups.frame()) == as_json(rows)


def test_replaces_what_is_there_and_spark_goes_on(spark: SparkSession, tmp_path: Path) -> None:
    table = tmp_path / "t"
    write_table(all_types(spark, 10), str(table), METADATA)
    assert write(all_types(spark, 20), table).version.startswith("delta:1:")
    assert spark.read.format("delta").load(str(table)).count() == 20
    write_table(all_types(spark, 30), str(table), METADATA)
    write(all_types(spark, 40), table)
    assert spark.read.format("delta").load(str(table)).count() == 40
    assert spark.read.format("delta").option("versionAsOf", 1).load(str(table)).count() == 20
    commits = read_commits(spark, parse_address(str(table)))
    assert [commit.version for commit in commits] == [3, 2, 1, 0]
    assert all(commit.replaces_rows and commit.run_id == "r1" for commit in commits)
    history = spark.sql(f"DESCRIBE HISTORY delta.`{table}`").orderBy("version").collect()
    assert [row.operationMetrics["numOutputRows"] for row in history] == ["10", "20", "30", "40"]
    spark.sql(f"DELETE FROM delta.`{table}` WHERE width < 10")
    spark.sql(f"OPTIMIZE delta.`{table}`")
    assert spark.read.format("delta").load(str(table)).where("width < 10").isEmpty()


def test_no_rows(spark: SparkSession, tmp_path: Path) -> None:
    table = tmp_path / "t"
    write(all_types(spark, 5), table)
    assert write(all_types(spark, 0), table).rows == 0
    assert spark.read.format("delta").load(str(table)).isEmpty()
    assert write(all_types(spark, 0), tmp_path / "new").rows == 0
    assert read_table(spark, str(tmp_path / "new"), StructType()).isEmpty()


def test_constraints_stay(spark: SparkSession, tmp_path: Path) -> None:
    table = tmp_path / "t"
    write(all_types(spark, 5), table)
    with_null = all_types(spark, 5, uid="if(id = 3, null, string(id))")
    assert files_of(with_null, table) is None  # Spark names the row
    added = [line["add"]["path"] for line in log_of(table, 0) if "add" in line]
    assert sorted(path.name for path in table.glob("part-*")) == sorted(added)
    with pytest.raises(OutputTableError, match="uid IS NOT NULL"):
        write_table(with_null, str(table), METADATA)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE {} ADD CONSTRAINT wide CHECK (width >= 0 OR width IS NULL)",
        "ALTER TABLE {} SET TBLPROPERTIES (delta.appendOnly = true)",
        "ALTER TABLE {} SET TBLPROPERTIES (delta.enableDeletionVectors = true)",
        "ALTER TABLE {} SET TBLPROPERTIES (delta.columnMapping.mode = 'name', "
        "delta.minReaderVersion = 2, delta.minWriterVersion = 5)",
        "ALTER TABLE {} SET TBLPROPERTIES (delta.enableChangeDataFeed = true)",
    ],
)
def test_tables_that_others_changed_are_left_to_spark(
    spark: SparkSession, tmp_path: Path, change: str
) -> None:
    write(all_types(spark, 5), tmp_path / "t")
    spark.sql(change.format(f"delta.`{tmp_path / 't'}`"))
    assert files_of(all_types(spark, 5), tmp_path / "t") is None


def test_what_only_spark_can_write(spark: SparkSession, tmp_path: Path) -> None:
    rows = spark.range(3).selectExpr("string(id) AS uid", "timestamp_ntz'2020-01-01' AS time")
    assert files_of(rows, tmp_path / "t") is None
    scored = spark.range(3).selectExpr("string(id) AS uid", "1.0D score", "'x' query_type")
    assert files_of(scored, tmp_path / "t") is None
    assert (
        write_files(unchanged(all_types(spark, 2)), "parquet:/x/y", counting_nothing(), []) is None
    )
    assert write_files(unchanged(all_types(spark, 2)), "a.b", counting_nothing(), []) is None


def test_columns_that_are_left_to_spark(spark: SparkSession, tmp_path: Path) -> None:
    """A name with a dot, alone or inside, and a uid whose nulls no statistics count."""
    rows = all_types(spark, 2)
    assert files_of(rows.withColumnRenamed("width", "a.width"), tmp_path / "t") is None
    inside = rows.withColumn("pair", F.struct(F.lit(1).alias("a.b")))
    assert files_of(inside, tmp_path / "t") is None
    many = spark.range(2).selectExpr(*(f"{k} AS c{k}" for k in range(40)), "string(id) AS uid")
    assert files_of(many, tmp_path / "t") is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("spark.sql.parquet.compression.codec", "zstd"),
        ("spark.databricks.delta.properties.defaults.enableChangeDataFeed", "true"),
    ],
)
def test_settings_for_other_files_or_tables_hold(
    spark: SparkSession, tmp_path: Path, name: str, value: str
) -> None:
    spark.conf.set(name, value)
    try:
        assert files_of(all_types(spark, 2), tmp_path / "t") is None
    finally:
        spark.conf.unset(name)


@pytest.mark.parametrize("of_platform", ["DATABRICKS_RUNTIME_VERSION", "spark.connect"])
def test_clusters_and_spark_connect_are_left_to_spark(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_platform: str
) -> None:
    if of_platform == "spark.connect":
        monkeypatch.setattr(session, "is_remote", lambda _session: True)
    else:
        monkeypatch.setenv(of_platform, "15.4")
    assert files_of(all_types(spark, 2), tmp_path / "t") is None


def test_spark_writes_now_and_then_a_commit_with_a_checkpoint(
    spark: SparkSession, tmp_path: Path
) -> None:
    table = tmp_path / "t"
    write(all_types(spark, 5), table)
    properties, columns = _properties(table), all_types(spark, 5).schema
    for version in range(1, 20):
        local = LocalTable.at(parse_address(str(table)), columns, properties)
        assert local is not None
        assert not local.needs_checkpoint
        assert local.version == version - 1
        assert local.commit([], columns, properties, "{}", {})
    assert files_of(all_types(spark, 6), table) is None
    assert not [*table.glob("_delta_log/*.checkpoint*")]
    write_table(all_types(spark, 6), str(table), METADATA)
    assert [*table.glob(f"_delta_log/{20:020d}.checkpoint*")]
    write(all_types(spark, 7), table)
    assert spark.read.format("delta").load(str(table)).count() == 7


def test_other_columns_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    write(all_types(spark, 5), tmp_path / "t")
    with pytest.raises(OutputTableError, match="column 'width'"):
        files_of(all_types(spark, 5).drop("width"), tmp_path / "t")


def test_a_job_that_fails_leaves_the_table_and_no_file(spark: SparkSession, tmp_path: Path) -> None:
    table = tmp_path / "t"
    write(all_types(spark, 50), table)
    before = sorted(path.name for path in table.iterdir())

    def fail(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield batch
            raise ZeroDivisionError

    failing = MappedRows(all_types(spark), fail, all_types(spark).schema)
    with pytest.raises(Exception, match="ZeroDivisionError"):
        write_files(failing, str(table), counting_nothing(), [])
    assert sorted(path.name for path in table.iterdir()) == before
    assert spark.read.format("delta").load(str(table)).count() == 50


def test_files_that_are_not_committed_are_no_rows(spark: SparkSession, tmp_path: Path) -> None:
    """As after a driver that ends before its commit, of the first write and of a later one."""
    table = tmp_path / "t"
    assert files_of(all_types(spark, 7), table) is not None
    assert check_output(spark, str(table), all_types(spark, 7).schema) is False
    write(all_types(spark, 50), table)
    assert files_of(all_types(spark, 7), table) is not None
    assert spark.read.format("delta").load(str(table)).count() == 50


def test_a_task_that_is_tried_again_counts_once(spark: SparkSession, tmp_path: Path) -> None:
    mark = tmp_path / "tried"

    def fail_at_first(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from batches
        if not mark.exists():
            mark.touch()
            raise ZeroDivisionError

    rows = all_types(spark)
    written = write_files(
        MappedRows(rows, fail_at_first, rows.schema), str(tmp_path / "t"), counting_nothing(), []
    )
    assert written is not None
    assert mark.exists()
    assert written.commit(spark, METADATA).rows == N
    assert as_json(spark.read.format("delta").load(str(tmp_path / "t"))) == as_json(rows)


def test_another_commit_does_not_get_lost(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "t"
    write(all_types(spark, 5), table)
    written = files_of(all_types(spark, 9), table)
    assert written is not None
    stale = [LocalTable.at(parse_address(str(table)), written.columns, _properties(table))]
    write_table(all_types(spark, 6), str(table), METADATA)  # meanwhile
    at = LocalTable.at
    monkeypatch.setattr(LocalTable, "at", lambda *args: stale.pop() if stale else at(*args))
    assert written.commit(spark, METADATA).version.startswith("delta:2:")
    assert stale == []
    assert spark.read.format("delta").option("versionAsOf", 1).load(str(table)).count() == 6
    assert spark.read.format("delta").load(str(table)).count() == 9


def _properties(table: Path) -> dict[str, str]:
    return dict(action(table, 0, "metaData")["configuration"])


def test_delta_rs_and_arrow_read_it(spark: SparkSession, tmp_path: Path) -> None:
    deltalake = pytest.importorskip("deltalake")
    rows = all_types(spark)
    write(all_types(spark, 5), tmp_path / "t")
    write(rows, tmp_path / "t")
    table = deltalake.DeltaTable(str(tmp_path / "t"))
    assert table.version() == 1
    stored = ds.dataset(table.file_uris()).to_table()
    expected = {row.uid: row.asDict() for row in rows.select("uid", "width", "caption").collect()}
    names = ["uid", "width", "caption"]
    assert {row["uid"]: row for row in stored.select(names).to_pylist()} == expected
    added = pa.table(table.get_add_actions(flatten=True))
    assert sum(added["num_records"].to_pylist()) == N


def test_duckdb_reads_it(spark: SparkSession, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    rows = all_types(spark)
    write(rows, tmp_path / "t")
    found = duckdb.sql(
        f"SELECT count(*), sum(width), max(caption), sum(pair.a), sum(len(entry_ids)), "
        f"max(epoch_us(time)) FROM read_parquet('{tmp_path}/t/*.parquet')"
    ).fetchall()
    assert found[0] == tuple(
        rows.selectExpr(
            *("count(*)", "sum(width)", "max(caption)", "sum(pair.a)"),
            *("sum(if(entry_ids IS NULL, null, size(entry_ids)))", "max(unix_micros(time))"),
        ).first()
        or ()
    )


def test_flipped_bits_are_noticed(spark: SparkSession, tmp_path: Path) -> None:
    rows = spark.range(0, 20_000, 1, 4).selectExpr(
        *("md5(string(id)) AS uid", "concat('a photo of cat ', id * 7919) AS caption"),
        *("array(int(id % 7), int(id % 11)) AS entry_ids", "id / 3 AS score"),
    )
    write(rows, tmp_path / "t")
    frame = spark.read.format("delta").load(str(tmp_path / "t"))
    same, failed, wrong = flips(frame, sorted((tmp_path / "t").glob("*.parquet")), 20)
    assert wrong == []
    assert same + failed == 20
    assert failed > 10


def test_needs_links(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without hard links is left to Spark before anything is written."""
    monkeypatch.setattr(worker_writes, "has_links", lambda _folder: False)
    assert files_of(all_types(spark, 3), tmp_path / "t") is None
