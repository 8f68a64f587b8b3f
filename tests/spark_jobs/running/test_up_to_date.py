"""The table of runs: what a workspace keeps that was made before."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession

from spark_jobs.core import schemas
from spark_jobs.core.made_of import MadeOf
from spark_jobs.core.schemas import DRAWS, WRITTEN
from spark_jobs.dedup.dedup_settings import DedupCaptions
from spark_jobs.jobs.sample_subset import SampleSubset
from spark_jobs.running import up_to_date
from spark_jobs.running.run_rows import recorded_runs
from spark_jobs.running.up_to_date import record_run
from spark_jobs.storage import table_states, tables
from spark_jobs.storage.outputs.folder_marks import read_file_mark
from spark_jobs.storage.run import Run


def test_an_input_that_a_step_has_just_written_is_named_by_the_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(up_to_date, "code_digest", lambda job: "c")
    settings = DedupCaptions(captions="/x/captions", by="caption", output="/x/unique")
    recorded = up_to_date.recorded_settings(settings)
    last = Row(
        settings=json.dumps(recorded | {"by": "url"}),
        settings_sha="s",
        inputs=json.dumps({"/x/captions": "delta:1:a", "/x/bank": "delta:1:a"}),
        code="c",
    )
    inputs = {"/x/captions": "delta:2:b", "/x/bank": "delta:3:b"}
    run = Run(None, "dedup-captions", "r", "s", "/x", inputs, {})  # type: ignore[arg-type]
    changes = up_to_date.changes_since(run, settings, last, {"/x/captions": "ingest-captions"})
    assert changes == [
        "setting by: url -> caption",
        "after ingest-captions",
        "input /x/bank: delta:1:a -> delta:3:b",
    ]


STARTED = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def workspace(spark: SparkSession, tmp_path: Path) -> Path:
    """Its only run was recorded when runs had no draws."""
    row = (
        "r0",
        "job",
        "{}",
        "s",
        "c",
        "{}",
        "{}",
        "{}",
        "[]",
        "{}",
        STARTED.replace(year=2025),
        1.0,
    )
    runs = spark.createDataFrame([row], schemas.RUNS).drop(DRAWS, WRITTEN)
    tables.append_table(runs, str(tmp_path / "runs"), {"run_id": "r0"})
    return tmp_path


def test_runs_without_draws_are_read_and_added_to(spark: SparkSession, workspace: Path) -> None:
    assert [record.draws for record in recorded_runs(spark, str(workspace))] == [[]]
    tsv = workspace / "labels.tsv"
    tsv.write_text("filepath\n")
    settings = SampleSubset(
        input=str(workspace / "in"), output=str(workspace / "out"), n=3, tsv=str(tsv)
    )
    run = Run(spark, "sample-subset", "r1", "s", str(workspace), {}, {})
    run.draw("sample-subset", 0)
    record_run(run, settings, {"kept": 3}, STARTED)
    records = recorded_runs(spark, str(workspace))
    assert [(r.run_id, r.draws) for r in records] == [("r0", []), ("r1", ["sample-subset"])]
    assert table_states.table_state(spark, str(tsv)).made_of == MadeOf(draws=("sample-subset",))
    without = Run(spark, "sample-subset", "r2", "s", str(workspace), {}, {})
    record_run(without, settings, {"kept": 3}, STARTED)
    assert (read_file_mark(str(tsv)) or {})["run_id"] == "r2"
    assert table_states.table_state(spark, str(tsv)).made_of == MadeOf()
