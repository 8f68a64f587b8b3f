"""What runs again and what does not, as a user sees it."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark_jobs.jobs import dedup_captions
from spark_jobs.running.launch import execute
from tests.delta_tables import read_delta


def rows(spark: SparkSession, animal: str, n: int):  # type: ignore[no-untyped-def]
    return spark.range(n).selectExpr("cast(id as string) uid", f"concat('a {animal} ', id) caption")


def test_what_stands_is_told_from_what_changed(captionlake, spark, tmp_path: Path) -> None:
    table, out = tmp_path / "t", tmp_path / "out"
    command = ["dedup-captions", "--captions", table, "--by", "caption", "--output", out]

    def status() -> tuple[str, int]:
        outcome = captionlake(*command)
        assert outcome.exit_code == 0, outcome.stderr
        return outcome.summary["status"], outcome.summary["counts"]["kept"]

    rows(spark, "cat", 20).write.format("delta").save(str(table))
    assert status() == ("done", 20)
    for name in (table, out):
        spark.sql(f"OPTIMIZE delta.`{name}`")
        spark.sql(f"ALTER TABLE delta.`{name}` SET TBLPROPERTIES ('a' = 'b')")
    assert status() == ("up_to_date", 20)
    spark.sql(f"DELETE FROM delta.`{out}` WHERE uid = '7'")
    assert status() == ("done", 20)
    shutil.rmtree(table)
    rows(spark, "dog", 30).write.format("delta").save(str(table))
    assert status() == ("done", 30)
    assert read_delta(spark, out).count() == 30


@pytest.mark.slow
def test_upkeep_in_a_catalog_leaves_a_run_up_to_date(captionlake, spark: SparkSession) -> None:
    spark.sql("CREATE SCHEMA IF NOT EXISTS kept")
    compacts = "'delta.autoOptimize.autoCompact' = 'true'"
    spark.sql(
        "CREATE TABLE kept.cats (uid string, caption string) USING delta CLUSTER BY (uid) "
        f"TBLPROPERTIES ({compacts}, 'delta.checkpointInterval' = '2')"
    )
    command = ("dedup-captions", "--captions", "kept.cats", "--by", "caption")
    try:
        for _ in range(2):
            rows(spark, "cat", 20).repartition(4).write.insertInto("kept.cats")
        first = captionlake(*command, "--output", "kept.unique")
        assert first.summary["status"] == "done", first.stderr
        assert first.summary["counts"]["kept"] == 20
        spark.sql(f"ALTER TABLE kept.unique SET TBLPROPERTIES ({compacts})")
        for table in ("kept.cats", "kept.unique"):
            spark.sql(f"OPTIMIZE {table}")
            spark.sql(f"VACUUM {table}")
            spark.sql(f"ALTER TABLE {table} ADD CONSTRAINT has_uid CHECK (uid IS NOT NULL)")
        maintained = captionlake("maintain", "spark_catalog.kept", "--small-file-mb", 1)
        assert maintained.exit_code == 0, maintained.stderr
        assert "kept.unique: " in maintained.answer
        assert captionlake("maintain", "--tables", "kept.cats").exit_code == 0
        again = captionlake(*command, "--output", "kept.unique")
        assert again.summary["status"] == "up_to_date", again.stderr
        rows(spark, "cat", 1).write.insertInto("kept.cats")
        assert captionlake(*command, "--output", "kept.unique").summary["status"] == "done"
    finally:
        spark.sql("DROP SCHEMA kept CASCADE")


def test_an_input_that_cannot_be_told_runs_again_and_says_so(captionlake, spark, tmp_path) -> None:
    rows(spark, "cat", 3).createOrReplaceGlobalTempView("up_to_date_cats")
    address = "global_temp.up_to_date_cats"
    command = [
        "dedup-captions",
        "--captions",
        address,
        "--by",
        "caption",
        "--output",
        tmp_path / "o",
    ]
    for _ in range(2):
        outcome = captionlake(*command)
        assert outcome.summary["status"] == "done"
        assert f"which rows {address} has cannot be told: never up to date" in outcome.stderr


@pytest.mark.slow
def test_a_file_that_another_run_wrote_is_not_up_to_date(captionlake, tmp_path: Path) -> None:
    table = pa.table({"uid": list("abcd"), "wnid": ["n1", "n1", "n2", "n2"]})
    pq.write_table(table, tmp_path / "in.parquet")
    uids = tmp_path / "uids.npy"
    commands = [
        [
            *("sample-subset", "--input", tmp_path / "in.parquet", "--n", n, "--uids", uids),
            *("--output", tmp_path / f"out{n}", "--workspace", tmp_path),
        ]
        for n in (2, 3)
    ]
    first = captionlake(*commands[0])
    assert first.exit_code == 0, first.stderr
    of_two = uids.read_bytes()
    assert captionlake(*commands[0]).summary["status"] == "up_to_date"
    assert captionlake(*commands[1]).summary["status"] == "done"
    assert uids.read_bytes() != of_two
    assert captionlake(*commands[0]).summary["status"] == "done"
    assert uids.read_bytes() == of_two


def test_an_empty_result_is_written_again_with_other_settings(captionlake, spark, tmp_path) -> None:
    rows(spark, "cat", 3).write.format("delta").save(str(tmp_path / "t"))
    for wanted in ("a dog", "a newt"):
        outcome = captionlake(
            *("filter-captions", "--captions", tmp_path / "t", "--output", tmp_path / "o"),
            *("--set", f"rules=[{{rule: r, column: caption, op: '==', value: {wanted}}}]"),
        )
        assert outcome.exit_code == 0, outcome.stderr
        assert outcome.summary["status"] == "done"
        assert outcome.summary["counts"]["kept"] == 0


def test_three_first_runs_of_a_workspace_at_once(spark: SparkSession, tmp_path: Path) -> None:
    for n in range(3):
        rows(spark, "cat", n + 1).write.format("delta").save(str(tmp_path / f"t{n}"))

    def run(n: int) -> int:
        settings = dedup_captions.DedupCaptions(
            captions=str(tmp_path / f"t{n}"),
            by="caption",
            output=str(tmp_path / f"o{n}"),
            decisions=True,
            workspace=str(tmp_path / "log"),
        )
        return int(execute(dedup_captions.JOB, settings, say=lambda line: None).counts["kept"])

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(run, range(3))) == [1, 2, 3]
    assert read_delta(spark, tmp_path / "log/runs").count() == 3
    decisions = read_delta(spark, tmp_path / "log/decisions")
    assert decisions.count() == 6
    assert decisions.select("run_id").distinct().count() == 3


@pytest.fixture(scope="module")
def overwritten(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of two runs of curate, of 40 cats, then of 3 dogs, over the same tables."""
    from spark_jobs.jobs import curate

    folder = tmp_path_factory.mktemp("overwritten")
    (folder / "bank.txt").write_text("cat\ndog\n")
    for animal, n in (("cat", 40), ("dog", 3)):
        captions = [f"a {animal} {k}" for k in range(n)]
        uids = [f"{animal}{k}" for k in range(n)]
        pq.write_table(pa.table({"uid": uids, "caption": captions}), folder / "in.parquet")
        settings = curate.Curate(
            input=str(folder / "in.parquet"),
            bank=str(folder / "bank.txt"),
            t=10,
            output=str(folder / "out"),
            report=False,
        )
        execute(curate.JOB, settings, say=lambda line: None)
    return folder / "out"


def balancings(spark: SparkSession, workspace: Path) -> list[str]:
    runs = read_delta(spark, workspace / "runs")
    runs = runs.where("job = 'balance-captions'").orderBy("started")
    return [row.run_id for row in runs.collect()]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_is_told_of_a_run_is_of_the_versions_that_it_read_and_wrote(
    captionlake, spark: SparkSession, overwritten: Path, tmp_path: Path
) -> None:
    first, second = balancings(spark, overwritten)
    page = tmp_path / "report.html"

    def report(run_id: str) -> str:
        arguments = [
            "report",
            "--run",
            overwritten,
            "--run-id",
            run_id,
            "--output",
            page,
            "--force",
        ]
        outcome = captionlake(*arguments)
        assert outcome.exit_code == 0, outcome.stderr
        return page.read_text()

    def explain(uid: str, run_id: str) -> str:
        arguments = ["explain", "--uid", uid, "--run", overwritten, "--run-id", run_id]
        outcome = captionlake(*arguments)
        assert outcome.exit_code == 0, outcome.stderr
        return outcome.answer

    of_cats = report(first)
    assert "a cat" in of_cats
    assert "a dog" not in of_cats
    assert "Left out" not in of_cats
    assert "= 0.250000" in explain("cat7", first)  # 10 of 40 cats
    spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    for table in ("captions", "matches", "entry_counts", "balanced_captions"):
        spark.sql(f"VACUUM delta.`{overwritten / table}` RETAIN 0 HOURS")
    spark.sql(f"VACUUM delta.`{overwritten / 'entry_probabilities'}` RETAIN 0 HOURS")
    spark.conf.unset("spark.databricks.delta.retentionDurationCheck.enabled")
    without = report(first)
    assert "Left out: a version of a table" in without
    assert "a cat 1" not in without
    assert "not known any more" in explain("cat7", first)
    of_dogs = report(second)
    assert "a dog" in of_dogs
    assert "Left out" not in of_dogs
    shutil.rmtree(overwritten / "matches")
    assert "Left out: a version of a table" in report(second)
