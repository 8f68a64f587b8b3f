"""A driver that is killed, and two at once."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from tests.command_line import app
from tests.delta_tables import read_delta
from tests.processes import QUICK_JAVA

BIN = Path(sys.executable).parent


# What a run has left when its driver is killed: it is matching; its counts are committed; it is
# balancing; it has recorded its last run but the report's.
STOPS = (
    "matches/*.parquet",
    "entry_counts/_delta_log/*0.json",
    "balanced_captions/*.parquet",
    "runs/_delta_log/*2.json",
)
TABLES = ("captions", "matches", "entry_counts", "entry_probabilities")


def command_line(tmp_path: Path, out: Path) -> list[object]:
    return [
        *("curate", tmp_path / "captions.parquet", "--bank", tmp_path / "bank.txt"),
        *("--t", 50, "--decisions", "--output", out),
    ]


def start(arguments: list[object], folder: Path) -> subprocess.Popen[bytes]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYSPARK_")}
    return subprocess.Popen(
        [BIN / "captionlake", *map(str, arguments)],
        env=environment | QUICK_JAVA | {"SPARK_DRIVER_MEMORY": "1g"},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def sorted_rows(spark: SparkSession, table: Path, *without: str) -> list[str]:
    rows = read_delta(spark, table).drop(*without)
    return sorted(map(str, rows.collect()))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    captions = [f"a {'cat' if i % 3 else 'dog'} {i % 700}" for i in range(2_000)]
    pq.write_table(pa.table({"caption": [*captions, None]}), folder / "captions.parquet")
    (folder / "bank.txt").write_text("cat\ndog\n")
    return folder


@pytest.fixture(scope="module")
def whole(spark: SparkSession, inputs: Path) -> Path:
    """What an undisturbed run leaves."""
    words = [*map(str, command_line(inputs, inputs / "whole"))]
    assert CliRunner().invoke(app(), words).exit_code == 0
    return inputs / "whole"


@pytest.mark.faults
@pytest.mark.parametrize("stop", STOPS)
def test_a_killed_run_is_finished_by_the_next_one(
    spark: SparkSession, captionlake, inputs: Path, whole: Path, tmp_path: Path, stop: str
) -> None:
    out = tmp_path / "out"
    with start(command_line(inputs, out), tmp_path) as running:
        deadline = time.monotonic() + 200
        while not list(out.glob(stop)) and time.monotonic() < deadline:
            time.sleep(0.005)
        assert running.poll() is None
        os.killpg(running.pid, signal.SIGKILL)  # driver, JVM and workers
    assert list(out.glob(stop))
    assert captionlake(*command_line(inputs, out)).exit_code == 0
    for table in (*TABLES, "balanced_captions"):
        resumed = sorted_rows(spark, out / table)
        assert resumed == sorted_rows(spark, whole / table)
        assert resumed
    for log in ("rejected", "decisions"):
        rows = sorted_rows(spark, out / log, "run_id")
        assert rows == sorted_rows(spark, whole / log, "run_id")
    again = captionlake(*command_line(inputs, out))
    assert again.summary["status"] == "up_to_date"


@pytest.mark.faults
def test_two_processes_begin_a_workspace_together(spark, inputs: Path, tmp_path: Path) -> None:
    outs = [tmp_path / name for name in ("a", "b")]
    arguments = [
        [*command_line(inputs, out), "--workspace", tmp_path / "log", "--no-report"] for out in outs
    ]
    running = [start(line, tmp_path) for line in arguments]
    summaries = [json.loads(one.communicate(timeout=250)[0].splitlines()[-1]) for one in running]
    assert [summary["status"] for summary in summaries] == ["done", "done"]
    for table in (*TABLES, "balanced_captions"):
        assert sorted_rows(spark, outs[0] / table) == sorted_rows(spark, outs[1] / table)
    runs = read_delta(spark, tmp_path / "log/runs")
    assert runs.count() == sum(len(summary["steps"]) for summary in summaries)
    assert runs.select("run_id").distinct().count() == runs.count()
