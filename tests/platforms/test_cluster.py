"""Recipes on a standalone cluster, whose workers have the wheel alone: rows as in local mode."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.platforms.cluster import Cluster, events, submit
from tests.platforms.conftest import PROGRAMS, Outcome, clean_environment, run_commands
from tests.platforms.workload import recipes

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]
RECIPES = ["curate", "laionet_labels", "laionet_match_frequency", "retrieval_semantic"]
COMMANDS = PROGRAMS / "run_commands.py"


@pytest.fixture(scope="module")
def on_cluster(
    cluster: Cluster, wheel: Path, worker_python: Path, inputs: Path, tiny_clip: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Outcome:  # fmt: skip
    out = tmp_path_factory.mktemp("on_cluster")
    environment = clean_environment(PYTHONPATH="", SPARK_LOCAL_IP="127.0.0.1")
    program = submit(cluster, wheel, worker_python, COMMANDS)
    return run_commands(program, recipes(inputs, tiny_clip, out), out, environment)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_runs(name: str, on_cluster: Outcome) -> None:
    result = on_cluster.results[name]
    assert result["exit_code"] == 0, result["stderr"] + result["trace"]


def test_the_rows_are_those_of_local_mode(local: Outcome, on_cluster: Outcome) -> None:
    assert on_cluster.digests == local.digests
    assert len(local.digests) > 20


def test_the_workers_run_the_wheel(on_cluster: Outcome, wheel: Path) -> None:
    assert on_cluster.code
    assert all(wheel.name in path for path in on_cluster.code), on_cluster.code


@pytest.fixture(scope="module")
def disturbed(
    cluster: Cluster, wheel: Path, worker_python: Path, inputs: Path, tiny_clip: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Outcome, list[dict[str, Any]]]:  # fmt: skip
    """Curate with speculation allowed, while executors are killed in a stage that reads a shuffle.

    Such stages lose all executors, so also what these had written for them, which runs again.
    Returns the outcome and the events of the application.
    """
    out, log = tmp_path_factory.mktemp("disturbed"), tmp_path_factory.mktemp("events")
    program = submit(
        cluster, wheel, worker_python, COMMANDS,
        "spark.eventLog.enabled=true", f"spark.eventLog.dir={log.as_uri()}",
        "spark.speculation=true", "spark.speculation.interval=20ms",
        "spark.speculation.multiplier=1.01", "spark.speculation.quantile=0.1",
        "spark.speculation.minTaskRuntime=1ms", "spark.speculation.efficiency.enabled=false",
        "spark.shuffle.io.maxRetries=1",
        "spark.shuffle.io.retryWait=100ms",
    )  # fmt: skip
    environment = clean_environment(PYTHONPATH="", SPARK_LOCAL_IP="127.0.0.1")
    has_ended = threading.Event()
    killer = threading.Thread(target=kill_during_shuffles, args=(cluster, log, has_ended))
    killer.start()
    try:
        commands = {"curate": recipes(inputs, tiny_clip, out)["curate"]}
        outcome = run_commands(program, commands, out, environment)
    finally:
        has_ended.set()
        killer.join()
    return outcome, events(log)


def kill_during_shuffles(cluster: Cluster, log: Path, has_ended: threading.Event) -> None:
    """Kill all executors in stages that read a shuffle, until what they had written was missed.

    At least twice; a stage may have ended before its executors do, so up to five times.
    """
    seen: set[object] = set()
    n_kills = 0
    while n_kills < 5 and not has_ended.wait(0.01):
        happened = events(log)
        if n_kills >= 2 and was_missed(happened):
            return
        submitted = [e for e in happened if e["Event"] == "SparkListenerStageSubmitted"]
        new = {e["Stage Info"]["Stage ID"] for e in submitted if e["Stage Info"]["Parent IDs"]}
        n_added = count(happened, "SparkListenerExecutorAdded")
        if new - seen and n_added > count(happened, "SparkListenerExecutorRemoved"):
            n_kills += cluster.kill_executors() > 0
            while count(events(log), "SparkListenerExecutorAdded") == n_added:
                if has_ended.wait(0.1):  # until another executor is there, with shuffles of its own
                    return
        seen |= new


def count(happened: list[dict[str, Any]], name: str) -> int:
    return sum(event["Event"] == name for event in happened)


def was_missed(happened: list[dict[str, Any]]) -> bool:
    """Whether tasks missed what an executor had written, or had it written again."""
    reasons = {e["Task End Reason"]["Reason"] for e in happened if "Task End Reason" in e}
    return bool(reasons & {"FetchFailed", "Resubmitted"})


def test_lost_executors_and_speculation_change_no_row(
    local: Outcome, disturbed: tuple[Outcome, list[dict[str, Any]]]
) -> None:
    outcome, _ = disturbed
    result = outcome.results["curate"]
    assert result["exit_code"] == 0, result["stderr"] + result["trace"]
    of_curate = {name: digest for name, digest in local.digests.items() if name[:7] == "curated"}
    assert outcome.digests == of_curate
    assert of_curate


def test_the_disturbances_happened(disturbed: tuple[Outcome, list[dict[str, Any]]]) -> None:
    _, seen = disturbed
    assert count(seen, "SparkListenerExecutorRemoved") >= 2
    assert was_missed(seen)


def one_line(outcome: Outcome) -> str:
    (result,) = outcome.results.values()
    assert result["exit_code"] != 0
    assert not result["trace"]
    (line,) = [line for line in result["stderr"].splitlines() if line.startswith("error:")]
    return str(line)


@pytest.fixture
def curate_error(
    cluster: Cluster, wheel: Path, worker_python: Path, inputs: Path, tmp_path: Path
) -> Callable[..., str]:
    """`curate_error(python, *words)`: the line that curate ends with; `words`: more of submit."""

    def run(python: Path | None = None, *conf: str, without: str = "") -> str:
        words = submit(cluster, wheel, python or worker_python, COMMANDS, *conf)
        if without:
            place = next(i for i, word in enumerate(words) if str(word).startswith(without))
            del words[place - 1 : place + 1]
        out = tmp_path / "out"
        commands = {"curate": recipes(inputs, inputs, out)["curate"]}
        environment = clean_environment(PYTHONPATH="", SPARK_LOCAL_IP="127.0.0.1")
        return one_line(run_commands(words, commands, out, environment))

    return run


def test_a_cluster_without_delta(curate_error: Callable[..., str]) -> None:
    line = curate_error(without="spark.jars")
    assert "the cluster's Spark has no Delta: start spark-submit, or the server of" in line


def test_workers_without_numba(
    curate_error: Callable[..., str], worker_python: Path, tmp_path: Path
) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first/numba.py").write_text(
        'raise ModuleNotFoundError("No module named \'numba\'", name="numba")\n'
    )
    assert (
        "the workers' Python lacks a module (ModuleNotFoundError: No module named 'numba'); "
        in (curate_error(worker_python, f"spark.executorEnv.PYTHONPATH={tmp_path / 'first'}"))
    )


def test_workers_with_another_python(
    curate_error: Callable[..., str], worker_python: Path, tmp_path: Path
) -> None:
    # A worker that takes itself for 3.12, since there may be no other Python here.
    program = (
        "import collections, runpy, sys; import pyspark.worker; "
        "V = collections.namedtuple('V', 'major minor micro releaselevel serial'); "
        "sys.version_info = V(3, 12, 0, 'final', 0); sys.argv = ['', 'pyspark.worker']; "
        "runpy.run_module('pyspark.daemon', run_name='__main__')"
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {worker_python} -c "{program}"\n')
    python.chmod(0o755)
    of_driver = f"spark.pyspark.driver.python={worker_python}"
    line = curate_error(worker_python, f"spark.pyspark.python={python}", of_driver)
    assert (
        "the workers' Python is 3.12, that of the driver 3.11: Spark needs the same minor" in line
    )
