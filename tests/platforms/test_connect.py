"""Jobs through Spark Connect, on a server without captionlake: rows as in local mode."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pytest

from tests.platforms.conftest import (
    PROGRAMS,
    ROOT,
    Outcome,
    clean_environment,
    run_commands,
)
from tests.platforms.workload import Place, one_row, other_jobs, recipes

_log = logging.getLogger(__name__)
pytestmark = [pytest.mark.connect, pytest.mark.timeout(1800)]


def run_remotely(server: str, commands: dict[str, list[str]], out: Path) -> Outcome:
    environment = clean_environment(PYTHONPATH=str(ROOT), SPARK_REMOTE=server)
    program = [sys.executable, PROGRAMS / "run_commands.py"]
    return run_commands(program, commands, out, environment)


@pytest.fixture(scope="module")
def connect(
    inputs: Path, tiny_clip: Path, connect_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Outcome:
    out = tmp_path_factory.mktemp("connect")
    commands = recipes(inputs, tiny_clip, out) | other_jobs(inputs, Place(out))
    return run_remotely(connect_server, commands, out)


NAMES = [*recipes(Path(), Path(), Path()), *other_jobs(Path(), Place(Path()))]


@pytest.mark.parametrize("name", NAMES)
def test_a_command_runs(name: str, connect: Outcome) -> None:
    result = connect.results[name]
    assert result["exit_code"] == 0, result["stderr"] + result["trace"]


def test_the_rows_are_those_of_local_mode(local_jobs: Outcome, connect: Outcome) -> None:
    assert connect.digests == local_jobs.digests


def test_the_workers_run_the_clients_code(connect: Outcome) -> None:
    assert connect.code
    assert all("/captionlake-" in path for path in connect.code), connect.code


@contextmanager
def standing(out: Path, **variables: str) -> Iterator[Callable[[list[str]], float]]:
    """A program with a session of its own: function words of a command -> its seconds."""
    out.mkdir()
    with subprocess.Popen(
        [sys.executable, PROGRAMS / "run_commands.py"], cwd=out, text=True,
        env=clean_environment(PYTHONPATH=str(ROOT), **variables),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as program:  # fmt: skip
        assert program.stdin
        assert program.stdout

        def seconds(words: list[str]) -> float:
            program.stdin.write(f"{json.dumps(words)}\n")  # type: ignore[union-attr]
            program.stdin.flush()  # type: ignore[union-attr]
            answer = json.loads(program.stdout.readline())  # type: ignore[union-attr]
            assert answer["exit_code"] == 0, answer["stderr"] + answer["trace"]
            return float(answer["seconds"])

        yield seconds
        program.stdin.close()


def test_a_job_on_one_row_takes_about_as_long_as_a_local_one(
    inputs: Path, connect_server: str, tmp_path: Path
) -> None:
    """Measured alternating: the first command, with the start of Spark, and the median of three
    once both sessions stand (docs/platforms.md).
    """
    there, here = tmp_path / "there", tmp_path / "here"
    with (
        standing(there, SPARK_REMOTE=connect_server) as connect,
        standing(here, SPARK_DRIVER_MEMORY="1g") as local,
    ):
        pairs = [(connect(one_row(inputs, there)), local(one_row(inputs, here))) for _ in range(6)]
    _log.info("seconds through Connect and in local mode: %s", pairs)
    assert pairs[0][0] <= 1.5 * pairs[0][1], pairs
    of_connect, of_local = (median(times) for times in zip(*pairs[3:], strict=True))
    assert of_connect <= 2 * of_local, pairs
