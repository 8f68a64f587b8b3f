"""Reading and writing tables by path and by catalog name."""

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from spark_jobs.core import schemas
from spark_jobs.core.errors import (
    InputDataError,
    MissingColumnError,
    OutputTableError,
    SettingsError,
)
from spark_jobs.storage import extending, table_states, tables
from tests.delta_tables import read_delta

COMMIT = {"run_id": "r1", "job": "j", "settings_sha": "s"}


def numbers(spark: SparkSession, n: int):
    return spark.range(n).selectExpr("cast(id as string) uid", "'a cat' caption")


def test_a_path_keeps_versions_and_says_who_wrote_them(spark: SparkSession, tmp_path: Path):
    address = str(tmp_path / "t")
    assert tables.write_table(numbers(spark, 3), address, COMMIT).rows == 3
    assert tables.write_table(numbers(spark, 5), address, COMMIT | {"run_id": "r2"}).rows == 5
    assert tables.last_run_id(spark, address) == "r2"
    assert table_states.input_version(spark, address).startswith("delta:1:")
    first = tables.read_table(spark, address, schemas.CAPTIONS, version="delta:0")
    assert first.count() == 3
    (row,) = spark.sql(f"DESCRIBE HISTORY delta.`{address}` LIMIT 1").collect()
    assert json.loads(row.userMetadata)["run_id"] == "r2"


def test_a_catalog_name_does_the_same(spark: SparkSession):
    spark.sql("CREATE SCHEMA IF NOT EXISTS lake")
    try:
        assert tables.write_table(numbers(spark, 3), "lake.captions", COMMIT).rows == 3
        assert tables.write_table(numbers(spark, 4), "lake.captions", COMMIT).rows == 4
        assert tables.last_run_id(spark, "lake.captions") == "r1"
        assert table_states.input_version(spark, "lake.captions").startswith("delta:1:")
        old = tables.read_table(spark, "lake.captions", schemas.CAPTIONS, version="delta:0")
        assert old.count() == 3
        tables.append_table(numbers(spark, 2), "lake.more", COMMIT)
        assert spark.table("lake.more").count() == 2
    finally:
        spark.sql("DROP SCHEMA lake CASCADE")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("cast(null as string) uid", "uid : null breaks the constraint uid IS NOT NULL"),
        ("-1 entry_id", "entry_id : -1 breaks the constraint entry_id >= 0"),
        ("cast(null as int) entry_id", "entry_id : null breaks the constraint entry_id >= 0"),
        ("-1L entry_count", "entry_count : -1 breaks"),
        ("-1L kept_count", "kept_count : -1 breaks"),
        ("cast(0 as double) keep_probability", "keep_probability : 0.0 breaks"),
        ("cast(1.5 as double) keep_probability", "keep_probability : 1.5 breaks"),
        ("cast('NaN' as double) keep_probability", "keep_probability : NaN breaks"),
    ],
)
def test_a_row_that_breaks_a_constraint_stops_the_write(spark, tmp_path: Path, row, told):
    address = str(tmp_path / "t")
    with pytest.raises(OutputTableError) as fault:
        tables.write_table(spark.range(1).selectExpr(row), address, COMMIT)
    assert f"output {address}: a row with {told}" in str(fault.value)
    assert not tables.has_table(spark, address)


def test_a_null_that_a_table_of_others_refuses_stops_the_write(spark, tmp_path: Path):
    address = str(tmp_path / "t")
    spark.sql(f"CREATE TABLE delta.`{address}` (uid string NOT NULL, n int) USING delta")
    with pytest.raises(OutputTableError) as fault:
        tables.write_table(spark.sql("SELECT cast(null AS string) uid, 1 n"), address, COMMIT)
    assert str(fault.value) == (
        f"output {address}: a row with uid : null breaks the constraint uid IS NOT NULL; "
        "nothing was written"
    )


def test_the_bound_of_a_score_holds_for_ours_alone(spark, tmp_path: Path):
    ours = spark.range(1).selectExpr("cast('NaN' as float) score", "'name' query_type")
    with pytest.raises(OutputTableError, match="score : NaN breaks the constraint"):
        tables.write_table(ours, str(tmp_path / "t"), COMMIT)
    theirs = spark.range(1).selectExpr("100.5 score")
    assert tables.write_table(theirs, str(tmp_path / "t"), COMMIT).rows == 1


def test_constraints_hold_for_later_writes_of_whoever_writes(spark, tmp_path: Path):
    address = str(tmp_path / "t")
    tables.write_table(numbers(spark, 3), address, COMMIT)
    nameless = spark.range(1).selectExpr("cast(null as string) uid", "'a cat' caption")
    with pytest.raises(OutputTableError, match="nothing was written"):
        tables.write_table(nameless, address, COMMIT)
    with pytest.raises(Exception, match="uid_is_valid"):
        nameless.write.format("delta").mode("append").save(address)
    assert table_states.input_version(spark, address).startswith("delta:0:")
    assert spark.read.format("delta").load(address).count() == 3


def test_a_table_the_catalog_lacks_is_named(spark: SparkSession):
    with pytest.raises(InputDataError, match=r"lake.nothing: the catalog has no such table"):
        table_states.input_version(spark, "lake.nothing")


def test_a_parquet_output_is_replaced_whole(spark: SparkSession, tmp_path: Path):
    address = f"parquet:{tmp_path / 't'}"
    assert tables.write_table(numbers(spark, 3), address, COMMIT).rows == 3
    assert tables.write_table(numbers(spark, 2), address, COMMIT).rows == 2
    version = table_states.input_version(spark, address)
    assert version.startswith("files:")
    assert tables.read_table(spark, address, schemas.CAPTIONS, version=version).count() == 2
    assert [p.name for p in tmp_path.iterdir()] == ["t"]


def test_appending_the_same_run_twice_adds_once(spark: SparkSession, tmp_path: Path):
    address = str(tmp_path / "t")
    for run_id in ("r1", "r1", "r2"):
        tables.append_table(numbers(spark, 2), address, COMMIT | {"run_id": run_id})
    assert spark.read.format("delta").load(address).count() == 4


@pytest.mark.parametrize(("kept_for", "n_rows"), [("1 hours", 2), ("1 milliseconds", 4)])
def test_who_lets_the_ids_of_runs_expire_appends_twice(
    spark: SparkSession, tmp_path: Path, kept_for: str, n_rows: int
):
    """As docs/guarantees.md says: no table of ours has this property, and ids stay without it."""
    address = str(tmp_path / "t")
    tables.append_table(numbers(spark, 2), address, COMMIT)
    name = "delta.setTransactionRetentionDuration"
    assert name not in spark.sql(f"DESCRIBE DETAIL delta.`{address}`").collect()[0].properties
    spark.sql(f"ALTER TABLE delta.`{address}` SET TBLPROPERTIES ('{name}' = 'interval {kept_for}')")
    tables.append_table(numbers(spark, 2), address, COMMIT)
    assert read_delta(spark, address).count() == n_rows


def test_a_missing_column_names_the_nearest(spark: SparkSession, tmp_path: Path):
    address = str(tmp_path / "t")
    tables.write_table(numbers(spark, 1).withColumnRenamed("uid", "uuid"), address, COMMIT)
    with pytest.raises(MissingColumnError, match="no column 'uid', did you mean 'uuid'"):
        tables.read_table(spark, address, schemas.CAPTIONS)


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ("cast(id as string) uid", "'caption' is string there, but would be absent"),
        ("cast(id as string) uid, 'c' caption, 1 x", "'x' is absent there, but would be int"),
        ("id uid, 'c' caption", "'uid' is string there, but would be bigint"),
        ("cast(id as string) uid, array('c') caption", "'caption' is string there"),
    ],
)
def test_drift_of_an_output_is_refused(spark: SparkSession, tmp_path: Path, columns, named):
    address = str(tmp_path / "t")
    tables.write_table(numbers(spark, 1), address, COMMIT)
    with pytest.raises(OutputTableError, match=named):
        tables.write_table(spark.range(1).selectExpr(*_split(columns)), address, COMMIT)
    assert table_states.input_version(spark, address).startswith("delta:0:")


def _split(columns: str) -> list[str]:
    return columns.split(", ")


def test_columns_in_another_order_are_no_drift(spark: SparkSession, tmp_path: Path):
    address = str(tmp_path / "t")
    tables.write_table(numbers(spark, 1), address, COMMIT)
    tables.write_table(numbers(spark, 2).select("caption", "uid"), address, COMMIT)
    row = tables.read_table(spark, address, StructType()).orderBy("uid").first()
    assert (row.uid, row.caption) == ("0", "a cat")


def test_files_that_change_have_another_version(spark: SparkSession, tmp_path: Path):
    file = tmp_path / "bank.txt"
    file.write_text("cat\n")
    before = table_states.input_version(spark, str(file))
    assert table_states.input_version(spark, str(file)) == before
    file.write_text("cat\ndog\n")
    assert table_states.input_version(spark, str(file)) != before


def test_a_first_write_that_died_is_no_input_but_can_be_written_again(
    spark: SparkSession, tmp_path: Path
):
    address = tmp_path / "t"
    numbers(spark, 5).write.parquet(str(address))
    (address / "_SUCCESS").unlink()
    (address / "_delta_log").mkdir()  # what Delta leaves where it dies before its first commit
    with pytest.raises(InputDataError, match="its first write never ended"):
        table_states.input_version(spark, str(address))
    assert tables.write_table(numbers(spark, 2), str(address), COMMIT).rows == 2
    assert tables.read_table(spark, str(address), schemas.CAPTIONS).count() == 2


def test_a_column_that_delta_takes_not_is_named_with_the_remedy(
    spark: SparkSession, tmp_path: Path
) -> None:
    frame = spark.createDataFrame([(1,)], "`my score` int")
    with pytest.raises(OutputTableError, match=r"called 'my score'.*parquet:"):
        tables.write_table(frame, str(tmp_path / "t"), {"run_id": "r"})
    written = tables.write_table(frame, f"parquet:{tmp_path / 'p'}", {"run_id": "r"})
    assert written.rows == 1


@pytest.mark.slow
def test_few_rows_of_many_tasks_go_into_few_files(spark: SparkSession, tmp_path: Path) -> None:
    rows = spark.range(0, 400, 1, 40).where("id % 20 = 0").selectExpr("string(id) uid")
    for few_files in (False, True):
        for run_id in ("first", "second"):  # the table made, and replaced
            written = tables.write_table(
                rows, str(tmp_path / str(few_files)), {"run_id": run_id}, few_files=few_files
            )
            assert written.rows == 20
            table = spark.read.format("delta").load(str(tmp_path / str(few_files)))
            assert (len(table.inputFiles()) <= 2) == few_files
            assert {row.uid for row in table.collect()} == {str(n) for n in range(0, 400, 20)}


def test_parquet_takes_no_further_commits(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="written in several commits, for which parquet has no"):
        extending.append_point(spark, f"parquet:{tmp_path}")
