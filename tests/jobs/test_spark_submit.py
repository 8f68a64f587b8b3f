"""A job by spark-submit, from an unpacked-nowhere wheel, and a driver that is killed."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def marked_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of these sources under a version of its own, so that a run can tell it."""
    copy = tmp_path_factory.mktemp("sources")
    for name in ("spark_jobs", "udfs", "conf", "pyproject.toml", "README.md"):
        place = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        place(ROOT / name, copy / name)
    init = copy / "spark_jobs/__init__.py"
    init.write_text(re.sub(r'__version__ = ".*"', '__version__ = "9.9.9"', init.read_text()))
    subprocess.run(
        [sys.executable, "-m", "build", "-q", "--wheel", "--no-isolation", "-o", copy, copy],
        check=True,
        capture_output=True,
    )
    return next(copy.glob("*.whl"))


@pytest.mark.slow
def test_the_wheels_job_runs_by_spark_submit(
    spark: SparkSession, marked_wheel: Path, tmp_path: Path
) -> None:
    from spark_jobs.storage.session import delta_jars

    captions = [f"a {'cat' if i % 3 else 'dog'} {i}" for i in range(300)]
    uids = [f"u{i}" for i in range(300)]
    pq.write_table(pa.table({"uid": uids, "caption": captions}), tmp_path / "captions.parquet")
    (tmp_path / "bank.txt").write_text("cat\ndog\n")
    job = tmp_path / "job"
    job.mkdir()
    shutil.copy(ROOT / "spark_jobs/jobs/match_concepts.py", job)  # outside of the sources
    jars = [f"--conf={key}={value}" for key, value in delta_jars().items()]
    command = [
        *(BIN / "spark-submit", "--master", "local[2]", *jars),
        *("--conf", "spark.ui.enabled=false", "--conf", "spark.sql.shuffle.partitions=2"),
        *("--driver-java-options", "-XX:TieredStopAtLevel=1"),
        *("--py-files", marked_wheel, job / "match_concepts.py"),
        *("--captions", tmp_path / "captions.parquet", "--bank", tmp_path / "bank.txt"),
        *("--output", tmp_path / "matches", "--entry-counts", tmp_path / "entry_counts"),
    ]
    environment = os.environ | {"PYSPARK_PYTHON": sys.executable}
    for inherited in ("PYSPARK_SUBMIT_ARGS", "PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET"):
        environment.pop(inherited, None)
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-6_000:]
    summary = json.loads(done.stdout.strip().splitlines()[-1])
    expected = {"entries": 2, "rows_in": 300, "matched": 300, "unmatched": 0, "matches": 300}
    assert summary["counts"] == expected
    counts = spark.read.format("delta").load(str(tmp_path / "entry_counts")).collect()
    assert {row.entry: row.entry_count for row in counts} == {"cat": 200, "dog": 100}
    (run,) = spark.read.format("delta").load(str(tmp_path / "runs")).collect()
    assert run.code.startswith("9.9.9+")  # the wheel's code ran, not these sources


# What a run has left when its driver is killed: it is matching; its captions, or its counts, are
# committed; it is balancing; it has recorded its first run, or made the report.
STOPS = (
    "matches/*.parquet",
    "captions/_delta_log/*0.json",
    "entry_counts/_delta_log/*0.json",
    "balanced_captions/*.parquet",
    "runs/_delta_log/*0.json",
    "runs/_delta_log/*3.json",
)
TABLES = ("captions", "unique_captions", "matches", "entry_counts", "entry_probabilities")


def command_line(tmp_path: Path, out: Path) -> list[object]:
    return [
        *("curate", tmp_path / "captions.parquet", "--bank", tmp_path / "bank.txt"),
        *("--t", 50, "--decisions", "--output", out),
    ]


def start(arguments: list[object], folder: Path) -> subprocess.Popen[bytes]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYSPARK_")}
    return subprocess.Popen(
        [BIN / "captionlake", *map(str, arguments)],
        env=environment | {"SPARK_DRIVER_MEMORY": "1g"},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def sorted_rows(spark: SparkSession, table: Path, *without: str) -> list[str]:
    rows = spark.read.format("delta").load(str(table)).drop(*without)
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
    with start(command_line(inputs, inputs / "whole"), inputs) as running:
        running.wait(200)
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
    runs = spark.read.format("delta").load(str(tmp_path / "log/runs"))
    assert runs.count() == sum(len(summary["steps"]) for summary in summaries)
    assert runs.select("run_id").distinct().count() == runs.count()
