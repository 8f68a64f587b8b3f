"""Writers at the same time: who waits, who is refused, and that no row is lost or doubled."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import OutputTableError
from spark_jobs.storage import conflicts, extending, tables
from spark_jobs.storage.extending import AppendPoint

T = parse_address("/t")


def commit(run_id: str) -> dict[str, str]:
    return {"run_id": run_id, "job": "j", "settings_sha": "s", "table": "t"}


def at_once(tasks: list[Callable[[], object]]) -> list[object]:
    with ThreadPoolExecutor(len(tasks)) as pool:
        return [done.result() for done in [pool.submit(task) for task in tasks]]


def ids(spark: SparkSession, first: int, n: int) -> DataFrame:
    return spark.range(first, first + n).selectExpr("cast(id as string) uid", "'a cat' caption")


def uids(spark: SparkSession, path: Path) -> list[str]:
    return sorted(row.uid for row in spark.read.format("delta").load(str(path)).collect())


@pytest.mark.parametrize(
    ("condition", "is_conflict"),
    [
        ("DELTA_CONCURRENT_APPEND", True),
        ("DELTA_CONCURRENT_APPEND.WITHOUT_HINT", True),
        ("DELTA_CONCURRENT_TRANSACTION", True),
        ("DELTA_CONCURRENT_WRITE", True),
        ("DELTA_CONCURRENT_DELETE_READ", True),
        ("DELTA_PROTOCOL_CHANGED", True),
        ("DELTA_METADATA_CHANGED", True),
        ("DELTA_FAILED_TO_MERGE_FIELDS", False),
        ("DELTA_METADATA_MISMATCH", False),
        ("TABLE_OR_VIEW_NOT_FOUND", False),
    ],
)
def test_conflicts_are_known_by_their_condition(monkeypatch, condition, is_conflict) -> None:
    raised = AnalysisException("what it says may change")
    for method in ("getCondition", "getErrorClass"):  # of Spark 4, of Spark 3.5
        monkeypatch.setattr(raised, method, lambda: condition, raising=False)
    monkeypatch.setattr(raised, "getMessageParameters", dict, raising=False)
    assert (conflicts.conflict_name(raised) is not None) == is_conflict


def test_a_write_is_tried_five_times_and_then_refused_by_name(monkeypatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(conflicts.time, "sleep", waits.append)
    tries = iter([None, None, "written"])
    assert conflicts.retry_on_conflict(lambda: next(tries), T) == "written"
    assert 0.2 <= waits[0] <= 0.6 < 0.4 + waits[1] <= 1.6  # twice as long, each its own
    calls: list[int] = []
    with pytest.raises(
        OutputTableError, match="output /t: other runs write there at the same time; wait"
    ):
        conflicts.retry_on_conflict(lambda: calls.append(1), T)  # type: ignore[func-returns-value]
    assert len(calls) == 5


@pytest.mark.slow
def test_first_writes_at_once_all_arrive(spark: SparkSession, tmp_path: Path) -> None:
    log, output, parts = (tmp_path / name for name in ("runs", "out", "parts"))
    appends = [
        lambda k=k: tables.append_table(ids(spark, 10 * k, 10), str(log), commit(f"r{k}"))
        for k in range(3)
    ]
    at_once(appends)
    assert uids(spark, log) == sorted(str(n) for n in range(30))
    at_once(appends[:2])  # of the same run, so nothing new
    assert len(uids(spark, log)) == 30
    overwrites = [
        lambda k=k: tables.write_table(ids(spark, 10 * k, 10 + k), str(output), commit(f"r{k}"))
        for k in range(3)
    ]
    for k, written in enumerate(at_once(overwrites)):
        assert isinstance(written, tables.WriteResult)
        assert written.rows == 10 + k
        frame = tables.read_table(
            spark, str(output), ids(spark, 0, 0).schema, version=written.version
        )
        assert min(int(row.uid) for row in frame.collect()) == 10 * k
    stands = extending.append_point(spark, str(parts))
    assert stands == AppendPoint(None, 0)
    extensions = [
        lambda k=k: extending.commit_part(
            ids(spark, 10 * k, 10), str(parts), commit(f"r{k}"), stands
        )
        for k in range(3)
    ]
    left = [after for after in at_once(extensions) if after is not None]
    assert len(left) == 1
    assert len(uids(spark, parts)) == 10
    # One that has not looked again changes nothing; one that has goes on.
    assert extending.commit_part(ids(spark, 50, 5), str(parts), commit("r9"), stands) is None
    assert extending.append_point(spark, str(parts)).n_commits == 1
    after = extending.commit_part(ids(spark, 50, 5), str(parts), commit("r9"), *left)
    assert after is not None
    assert (after.n_commits, len(uids(spark, parts))) == (2, 15)
    replaced = extending.commit_part(
        ids(spark, 0, 0), str(parts), commit("r9"), after, replace=True
    )
    assert replaced == extending.append_point(spark, str(parts))
    assert uids(spark, parts) == []


@pytest.mark.slow
def test_a_hundred_appends_at_once_are_a_hundred_versions(spark, tmp_path: Path) -> None:
    def append(thread: int) -> None:
        for k in range(50):
            n = 50 * thread + k
            tables.append_table(ids(spark, n, 1), str(tmp_path / "t"), commit(f"r{n}"))

    at_once([lambda: append(0), lambda: append(1)])
    assert uids(spark, tmp_path / "t") == sorted(str(n) for n in range(100))
    assert spark.sql(f"DESCRIBE HISTORY delta.`{tmp_path / 't'}`").count() == 100


def test_metrics_that_are_left_out_are_counted_and_late_looks_find_the_commit(
    spark: SparkSession, tmp_path: Path, monkeypatch
) -> None:
    address = str(tmp_path / "t")
    key = "spark.databricks.delta.history.metricsEnabled"
    try:
        spark.conf.set(key, "false")
        written = tables.write_table(ids(spark, 0, 7), address, commit("r"))
        assert (written.rows, written.version) == (7, "delta:0:r:t")
    finally:
        spark.conf.unset(key)
    save = tables.save

    def save_and_others(writer, table):  # type: ignore[no-untyped-def]
        save(writer, table)
        for n in range(2):
            spark.sql(f"ALTER TABLE delta.`{address}` SET TBLPROPERTIES ('n' = '{n}')")

    monkeypatch.setattr(tables, "save", save_and_others)
    monkeypatch.setattr("spark_jobs.storage.history.N_RECENT_COMMITS", 2)
    monkeypatch.setattr("spark_jobs.storage.history.read_commits.__defaults__", (2,))
    written = tables.write_table(ids(spark, 0, 3), address, commit("r2"))
    assert (written.rows, written.version) == (3, "delta:1:r2:t")
