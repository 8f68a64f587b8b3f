"""When an input is another one, and when it is the same: by the id of the run that reads it."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark_jobs.jobs import dedup_captions
from spark_jobs.running.up_to_date import new_run
from spark_jobs.storage import tables


@pytest.fixture
def reads(spark: SparkSession, tmp_path: Path) -> Callable[[object], str]:
    """`reads(address)`: the id of a run of dedup-captions over it."""

    def run_id(address: object) -> str:
        settings = dedup_captions.DedupCaptions(
            captions=str(address), by="caption", output=str(tmp_path / "out")
        )
        return new_run(spark, dedup_captions.JOB, settings).run_id

    return run_id


@pytest.fixture
def schema(spark: SparkSession) -> Iterator[str]:
    spark.sql("CREATE SCHEMA inputs")
    yield "inputs"
    spark.sql("DROP SCHEMA inputs CASCADE")


def animals(spark: SparkSession, animal: str, n: int):  # type: ignore[no-untyped-def]
    return spark.range(n).selectExpr("cast(id as string) uid", f"'a {animal}' caption")


def write(spark: SparkSession, animal: str, n: int, table: Path) -> None:
    animals(spark, animal, n).repartition(3).write.format("delta").mode("overwrite").save(
        str(table)
    )


@pytest.mark.slow
def test_upkeep_keeps_a_table_what_it_is_and_other_rows_do_not(spark, reads, tmp_path) -> None:
    table = tmp_path / "t"
    name = f"delta.`{table}`"
    write(spark, "cat", 20, table)
    first = reads(table)
    spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    for upkeep in (
        f"OPTIMIZE {name}",
        f"VACUUM {name} RETAIN 0 HOURS",
        f"ALTER TABLE {name} SET TBLPROPERTIES ('a' = '1')",
        f"ALTER TABLE {name} UNSET TBLPROPERTIES ('a')",
        f"ALTER TABLE {name} ADD CONSTRAINT has_uid CHECK (uid IS NOT NULL)",
        f"ALTER TABLE {name} DROP CONSTRAINT has_uid",
        f"COMMENT ON TABLE {name} IS 'cats'",
    ):
        spark.sql(upkeep)
    spark.conf.unset("spark.databricks.delta.retentionDurationCheck.enabled")
    assert reads(table) == first
    version = spark.sql(f"DESCRIBE HISTORY {name} LIMIT 1").first().version
    ids = [first]
    for change in (
        f"UPDATE {name} SET caption = 'a dog' WHERE uid = '7'",
        f"RESTORE TABLE {name} TO VERSION AS OF {version}",
        f"INSERT INTO {name} VALUES ('20', 'a cat')",
        f"ALTER TABLE {name} ADD COLUMNS (n int)",
    ):
        spark.sql(change)
        ids.append(reads(table))
    assert len(set(ids)) == 5


@pytest.mark.parametrize("prefix", ["", "parquet:"])
def test_a_table_removed_and_made_again_is_another(spark, reads, tmp_path, prefix) -> None:
    table = tmp_path / "t"
    ids = []
    for animal in ("cat", "dog"):  # dogs and cats take as many bytes
        shutil.rmtree(table, ignore_errors=True)
        rows = animals(spark, animal, 20).coalesce(1).write
        rows.parquet(str(table)) if prefix else rows.format("delta").save(str(table))
        ids.append(reads(f"{prefix}{table}"))
    assert len(set(ids)) == 2


def test_the_same_rows_written_again_by_the_same_run_are_the_same(spark, reads, tmp_path) -> None:
    table = str(tmp_path / "t")
    ids = []
    for run_id in ("r1", "r1", "r2"):
        tables.write_table(animals(spark, "cat", 5), table, {"run_id": run_id, "table": "t"})
        ids.append(reads(table))
    assert ids[0] == ids[1] != ids[2]


def test_another_time_zone_of_the_driver_changes_nothing(
    spark, reads, tmp_path, monkeypatch
) -> None:
    write(spark, "cat", 3, tmp_path / "t")
    pq.write_table(pa.table({"uid": ["u"], "caption": ["a cat"]}), tmp_path / "p.parquet")
    ids = set()
    try:
        for zone in ("UTC", "Asia/Kolkata", "America/New_York"):
            monkeypatch.setitem(os.environ, "TZ", zone)
            time.tzset()
            ids.add((reads(tmp_path / "t"), reads(tmp_path / "p.parquet")))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert len(ids) == 1


def test_files_are_known_by_name_size_and_time(reads, tmp_path) -> None:
    file = tmp_path / "p.parquet"
    pq.write_table(pa.table({"uid": ["u"], "caption": ["a cat"]}), file)
    first = reads(file)
    assert reads(file) == first
    os.utime(file, ns=(1, file.stat().st_mtime_ns + 1_000_000))
    assert reads(file) != first  # perhaps other rows of as many bytes: it runs again


@pytest.mark.slow
def test_tables_and_views_of_a_catalog(spark, reads, schema, tmp_path) -> None:
    write(spark, "cat", 5, tmp_path / "t")
    (tmp_path / "c").mkdir()
    (tmp_path / "c/a.csv").write_text("u,a cat\n")
    spark.sql(
        f"CREATE TABLE inputs.c (uid string, caption string) USING csv LOCATION '{tmp_path}/c'"
    )
    animals(spark, "cat", 4).write.format("delta").saveAsTable("inputs.d")
    animals(spark, "cat", 4).write.format("parquet").saveAsTable("inputs.p")
    spark.sql("USE inputs")
    spark.sql(
        "CREATE VIEW inputs.v AS WITH q AS (SELECT * FROM c) SELECT upper(d.uid) uid, d.caption "
        f"FROM d LEFT JOIN q USING (uid) WHERE d.uid IN (SELECT uid FROM delta.`{tmp_path}/t`)"
    )
    spark.sql("CREATE VIEW over_v AS SELECT * FROM v WHERE uid > (SELECT min(uid) FROM p)")
    spark.sql("USE default")
    names = ("c", "d", "p", "v", "over_v")
    changes: dict[str, Callable[[], object]] = {
        "none": lambda: None,
        "compacted": lambda: spark.sql("OPTIMIZE inputs.d"),
        "t": lambda: write(spark, "dog", 5, tmp_path / "t"),
        "c": lambda: (tmp_path / "c/a.csv").write_text("u,a dog\n"),
        "d": lambda: spark.sql("UPDATE inputs.d SET caption = 'a dog' WHERE uid = '1'"),
        "p": lambda: spark.sql("INSERT OVERWRITE inputs.p SELECT uid, 'a dog' FROM inputs.p_2"),
    }
    animals(spark, "cat", 4).write.format("parquet").saveAsTable("inputs.p_2")
    ids = {name: reads(f"inputs.{name}") for name in names}
    moved = {}
    for change, make in changes.items():
        make()
        now = {name: reads(f"inputs.{name}") for name in names}
        moved[change] = {name for name in names if now[name] != ids[name]}
        ids = now
    assert moved == {
        "none": set(),
        "compacted": set(),
        "t": {"v", "over_v"},
        "c": {"c", "v", "over_v"},
        "d": {"d", "v", "over_v"},
        "p": {"p", "over_v"},
    }
    spark.sql("CREATE OR REPLACE VIEW inputs.v AS SELECT uid, caption FROM inputs.d")
    assert reads("inputs.v") != ids["v"]
    assert tables.read_table(spark, "inputs.v", animals(spark, "cat", 0).schema).count() == 4
    named = []
    for columns in ("uid, caption", "caption, uid"):
        spark.sql(
            f"CREATE OR REPLACE VIEW inputs.v({columns}) AS SELECT uid, caption FROM inputs.d"
        )
        named.append(reads("inputs.v"))
    assert named[0] != named[1]


def test_what_cannot_be_told_is_never_the_same(spark, reads, schema) -> None:
    animals(spark, "cat", 4).write.format("delta").saveAsTable("inputs.d")
    animals(spark, "cat", 4).createOrReplaceGlobalTempView("cats")
    views = {
        "draws": "SELECT * FROM inputs.d WHERE rand() < 2",
        "dates": "SELECT uid, caption FROM inputs.d WHERE current_date > '2020-01-01'",
        "makes": "SELECT cast(id as string) uid, 'a cat' caption FROM range(3)",
        "nothing": "SELECT 'u' uid, 'a cat' caption",
    }
    for name, query in views.items():
        spark.sql(f"CREATE VIEW inputs.{name} AS {query}")
    untold = {n for n in views if reads(f"inputs.{n}") != reads(f"inputs.{n}")}
    assert untold == {"draws", "dates"}
    assert reads("global_temp.cats") != reads("global_temp.cats")
