"""Recipes on a standalone cluster, whose workers have the wheel alone: rows as in local mode."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.platforms.cluster import Cluster, started_cluster
from tests.platforms.conftest import PROGRAMS, ROOT, Outcome, clean_environment, run_commands
from tests.platforms.workload import recipes

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
RECIPES = ["curate", "laionet_labels", "laionet_match_frequency", "retrieval_semantic"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "-q", "--wheel", "--no-isolation", "-o", folder, ROOT],
        check=True, capture_output=True,
    )  # fmt: skip
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def cluster(worker_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    environment = clean_environment(PYTHONPATH="", PYSPARK_PYTHON=str(worker_python))
    with started_cluster(tmp_path_factory.mktemp("cluster"), environment) as cluster:
        yield cluster


def submit(cluster: Cluster, wheel: Path, python: Path, *conf: str) -> list[object]:
    """The beginning of a spark-submit of run_commands.py."""
    from spark_jobs.storage.session import delta_jars

    settings = delta_jars() | {
        "spark.driver.memory": "1g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.executor.memory": "1g",
        "spark.ui.enabled": "false",
        "spark.pyspark.python": python,
        "spark.sql.shuffle.partitions": "3",
        "spark.databricks.delta.snapshotPartitions": "1",
    }
    pairs = [*(f"{key}={value}" for key, value in settings.items()), *conf]
    return [
        *(Path(sys.executable).parent / "spark-submit", "--master", cluster.url),
        *(word for pair in pairs for word in ("--conf", pair)),
        *("--py-files", wheel, PROGRAMS / "run_commands.py"),
    ]


@pytest.fixture(scope="module")
def on_cluster(
    cluster: Cluster, wheel: Path, worker_python: Path, inputs: Path, tiny_clip: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Outcome:  # fmt: skip
    out = tmp_path_factory.mktemp("on_cluster")
    environment = clean_environment(PYTHONPATH="", SPARK_LOCAL_IP="127.0.0.1")
    program = submit(cluster, wheel, worker_python)
    return run_commands(program, recipes(inputs, tiny_clip, out), out, environment)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_runs(name: str, on_cluster: Outcome) -> None:
    result = on_cluster.results[name]
    assert result["exit_code"] == 0, result["stderr"] + result["trace"]


def test_the_rows_are_those_of_local_mode(local: Outcome, on_cluster: Outcome) -> None:
    assert on_cluster.digests == local.digests


def test_the_workers_run_the_wheel(on_cluster: Outcome, wheel: Path) -> None:
    assert on_cluster.code
    assert all(wheel.name in path for path in on_cluster.code), on_cluster.code
