"""Jobs through Spark Connect, on a server without captionlake: rows as in local mode."""

import sys
from pathlib import Path

import pytest

from tests.platforms.conftest import (
    PROGRAMS,
    ROOT,
    Outcome,
    clean_environment,
    run_commands,
    run_locally,
)
from tests.platforms.workload import one_row, other_jobs, recipes

pytestmark = [pytest.mark.connect, pytest.mark.timeout(1200)]


def run_remotely(server: str, commands: dict[str, list[str]], out: Path) -> Outcome:
    environment = clean_environment(PYTHONPATH=str(ROOT), SPARK_REMOTE=server)
    program = [sys.executable, PROGRAMS / "run_commands.py"]
    return run_commands(program, commands, out, environment)


@pytest.fixture(scope="module")
def connect(
    inputs: Path, tiny_clip: Path, connect_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Outcome:
    out = tmp_path_factory.mktemp("connect")
    commands = recipes(inputs, tiny_clip, out) | other_jobs(inputs, out)
    return run_remotely(connect_server, commands, out)


@pytest.mark.parametrize("name", [*recipes(Path(), Path(), Path()), *other_jobs(Path(), Path())])
def test_a_command_runs(name: str, connect: Outcome) -> None:
    result = connect.results[name]
    assert result["exit_code"] == 0, result["stderr"] + result["trace"]


def test_the_rows_are_those_of_local_mode(local: Outcome, connect: Outcome) -> None:
    assert connect.digests == local.digests


def test_the_workers_run_the_clients_code(connect: Outcome) -> None:
    assert connect.code
    assert all("/captionlake-" in path for path in connect.code), connect.code


def test_a_job_on_one_row_takes_no_longer_than_a_local_one(
    inputs: Path, connect_server: str, tmp_path: Path
) -> None:
    """At most 1.5 times local mode's time, with the start of Spark, which a server has done."""
    there, here = tmp_path / "there", tmp_path / "here"
    remote = run_remotely(connect_server, one_row(inputs, there), there)
    local = run_locally(one_row(inputs, here), here)
    seconds = [sum(r["seconds"] for r in o.results.values()) for o in (remote, local)]
    assert seconds[0] <= 1.5 * seconds[1]
