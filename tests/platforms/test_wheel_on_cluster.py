"""The wheel's jobs by spark-submit on a small cluster; all of `make test-cluster` takes minutes."""

import json
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tests.image_server import ImageServer, running
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


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_images_are_downloaded_by_the_tasks_of_a_cluster(
    spark: SparkSession, cluster: Cluster, wheel: Path, worker_python: Path, tmp_path: Path
) -> None:
    paths = ["good", "png", "cut", "404", "never", "to-file", "redirect"] * 10
    with running(ImageServer()) as server:
        urls = [f"{server.url}/{path}?{number}" for number, path in enumerate(paths)]
        uids = [f"{number:032x}" for number in range(len(urls))]
        pairs = {"uid": uids, "caption": ["a caption"] * len(urls), "url": urls}
        pq.write_table(pa.table(pairs), tmp_path / "pairs.parquet")
        words = ["--captions", f"parquet:{tmp_path}/pairs.parquet", "--allow-hosts", "127.0.0.1"]
        words += ["--deadline", "4", "--rows-per-shard", "40", "--output"]
        here, there = tmp_path / "local" / "images", tmp_path / "cluster" / "images"
        assert run(["download-images", *words, str(here)])["exit_code"] == 0
        job = shutil.copy(ROOT / "spark_jobs/jobs/download_images.py", tmp_path)
        done = subprocess.run(
            [*map(str, submit(cluster, wheel, worker_python, Path(job))), *words, str(there)],
            env=clean_environment(PYTHONPATH="", SPARK_LOCAL_IP="127.0.0.1"),
            cwd=tmp_path, capture_output=True, text=True, timeout=280,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-6_000:]
    asked = [path for path in server.seen if "redirect" not in path and "good" not in path]
    assert sorted(asked) == sorted(asked[: len(asked) // 2] * 2)  # each once on each side
    outcomes = [
        spark.read.format("delta").load(str(folder.parent / "images_downloads"))
        .select("uid", "status", "cause", "http_status", "sha256", "width", "shard", "key")
        .orderBy("uid").collect()
        for folder in (here, there)
    ]  # fmt: skip
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]) == len(paths)
    tars = [sorted(tar.name for tar in folder.glob("*.tar")) for folder in (here, there)]
    assert tars[0] == tars[1] != []
