"""The wheel's jobs by spark-submit on a small cluster; all of `make test-cluster` takes minutes."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.platforms.cluster import Cluster, submit
from tests.platforms.conftest import ROOT, clean_environment
from tests.platforms.run_commands import run
from tests.platforms.workload import digests


def arguments(inputs: Path, out: Path) -> list[str]:
    """Of curate in one job: it reads, matches, counts and balances on the workers."""
    words = [f"{inputs}/captions", "--bank", f"{inputs}/bank.txt", "--t", "20", "--no-intermediate"]
    return [*words, "--dedup", "none", "--no-report", "--output", str(out)]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_curate_writes_the_rows_of_local_mode(
    spark: SparkSession, cluster: Cluster, wheel: Path, worker_python: Path, inputs: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    """Without the sources on any path: the job's file is a copy, the rest comes from the wheel."""
    here, there = tmp_path / "local", tmp_path / "cluster"
    assert run(["curate", *arguments(inputs, here)])["exit_code"] == 0
    job = shutil.copy(ROOT / "spark_jobs/jobs/curate.py", tmp_path)
    done = subprocess.run(
        [*map(str, submit(cluster, wheel, worker_python, Path(job))), *arguments(inputs, there)],
        env=clean_environment(PYTHONPATH="", SPARK_LOCAL_IP="127.0.0.1"),
        cwd=tmp_path, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-6_000:]
    assert json.loads(done.stdout.strip().splitlines()[-1])["status"] == "done"
    assert digests(there) == digests(here)
    assert {"balanced_captions", "entry_probabilities"} <= {*digests(here)}
