"""Calls in the test session: counts, and tables at the version that a run wrote."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

import captionlake as cl
from spark_jobs.storage.session import open_session


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    file = tmp_path / "captions.parquet"
    table = {"uid": ["1", "2", "3"], "caption": ["a cat", "a dog", "two cats"]}
    pq.write_table(pa.table(table), file)
    return file


def match(captions: Path, *entries: str) -> cl.Result:
    bank = captions.parent / f"{'_'.join(entries)}.txt"
    if not bank.exists():  # a file is known by its time
        bank.write_text("".join(f"{entry}\n" for entry in entries))
    return cl.match_concepts(
        captions=captions, bank=bank, output=captions.parent / "matches", quiet=True
    )


def entry_ids(frame: Any) -> list[list[int]]:
    return [row.entry_ids for row in frame.orderBy("uid").collect()]


def test_tables_are_read_at_the_version_of_the_run(spark: SparkSession, captions: Path) -> None:
    first = match(captions, "cat", "dog")
    assert first.status == "done"
    counts = {"entries": 2, "rows_in": 3, "matched": 2, "unmatched": 1, "matches": 2}
    assert first.counts == counts
    assert first.table().sparkSession is spark
    again = match(captions, "cat", "dog")
    assert (again.status, again.counts, again.run_id) == ("up_to_date", first.counts, first.run_id)
    second = match(captions, "two")
    for result in (first, again):
        assert entry_ids(result.table()) == [[0], [1], []]
    assert entry_ids(second.table()) == [[], [], [0]]
    matches = captions.parent / "matches"
    assert entry_ids(cl.open_table(matches)) == [[], [], [0]]
    assert cl.open_table(captions).count() == 3  # plain parquet
    assert entry_ids(cl.open_table(matches, version=0)) == [[0], [1], []]
    with pytest.raises(cl.SettingsError, match="has the versions 0 to 1, there is no version 7"):
        cl.open_table(matches, version=7)


def test_files_are_opened_as_show_opens_them(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.csv").write_text("uid;caption\n1;a cat\n2;a;dog\n")
    rows = cl.open_table(tmp_path)
    assert "1 records cannot be read and are left out" in caplog.text
    assert [tuple(row) for row in rows.collect()] == [("1", "a cat")]
    with pytest.raises(cl.SettingsError, match="is no Delta table, so it has no version 1"):
        cl.open_table(tmp_path, version=1)


def test_a_thread_has_the_session_of_the_program_as_it_is(spark: SparkSession) -> None:
    partitions = spark.conf.get("spark.sql.shuffle.partitions")
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(open_session).result() is spark
    assert spark.conf.get("spark.sql.shuffle.partitions") == partitions == "2"


def test_faults_of_a_run_are_one_line(
    spark: SparkSession, captions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(captions.parent)
    with pytest.raises(cl.InputDataError, match="nowhere") as fault:
        cl.match_concepts(captions="./nowhere", bank=captions, output="./matches")
    assert "\n" not in str(fault.value)
    with pytest.raises(cl.InputDataError, match="nowhere"):
        cl.open_table("./nowhere")
    frame = spark.createDataFrame([("a",)], "caption string")
    frame.write.format("delta").save(str(captions.parent / "no_uid"))
    with pytest.raises(cl.MissingColumnError, match="no column 'uid'"):
        cl.match_concepts(captions="./no_uid", bank=captions, output="./matches", quiet=True)
    with pytest.raises(cl.SettingsError, match=r"frame\.write\.format\('delta'\)\.save\('\./capt"):
        cl.match_concepts(captions=frame, bank=captions, output="./matches")  # type: ignore[arg-type]
