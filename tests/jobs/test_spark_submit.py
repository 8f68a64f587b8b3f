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
    from spark_jobs.session import delta_jars

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
    assert summary["counts"] == {"entries": 2, "rows_in": 300, "matched": 300, "matches": 300}
    counts = spark.read.format("delta").load(str(tmp_path / "entry_counts")).collect()
    assert {row.entry: row.entry_count for row in counts} == {"cat": 200, "dog": 100}
    (run,) = spark.read.format("delta").load(str(tmp_path / "runs")).collect()
    assert run.code.startswith("9.9.9+")  # the wheel's code ran, not these sources


@pytest.mark.faults
def test_a_killed_run_is_finished_by_the_next_one(
    spark: SparkSession, captionlake, tmp_path: Path
) -> None:
    captions = [f"a {'cat' if i % 3 else 'dog'} {i % 700}" for i in range(2_000)]
    pq.write_table(pa.table({"caption": captions}), tmp_path / "captions.parquet")
    (tmp_path / "bank.txt").write_text("cat\ndog\n")
    out = tmp_path / "out"
    arguments = [
        *("curate", tmp_path / "captions.parquet", "--bank", tmp_path / "bank.txt"),
        *("--t", 50, "--output", out),
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYSPARK_")}
    with subprocess.Popen(
        [BIN / "captionlake", *map(str, arguments)],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:
        deadline = time.monotonic() + 200
        while not list(out.glob("matches/*.parquet")) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(running.pid, signal.SIGKILL)  # driver, JVM and workers, while it matches
    assert (out / "captions/_delta_log").exists()
    assert not (out / "balanced_captions").exists()
    assert captionlake(*arguments).exit_code == 0
    whole = tmp_path / "whole"
    assert captionlake(*arguments[:-1], whole).exit_code == 0
    for table in ("captions", "matches", "entry_counts", "balanced_captions"):
        resumed, undisturbed = (
            sorted(map(str, spark.read.format("delta").load(str(d / table)).collect()))
            for d in (out, whole)
        )
        assert resumed == undisturbed
        assert resumed
