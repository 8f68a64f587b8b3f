"""The recipes with their tables and files on an S3 server on loopback: rows as in local mode."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.platforms.cluster import SHUFFLE_PARTITIONS
from tests.platforms.conftest import PROGRAMS, Outcome, run_commands
from tests.platforms.workload import digests, recipes
from tests.s3_server import S3, serving

pytestmark = [pytest.mark.s3, pytest.mark.timeout(1200)]
PREFIX = "recipes"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with serving(tmp_path_factory.mktemp("s3")) as server:
        yield server


def test_the_rows_are_those_of_local_mode(
    s3: S3, local: Outcome, inputs: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    address = f"s3a://lake/{PREFIX}"
    program = [sys.executable, PROGRAMS / "run_commands.py", SHUFFLE_PARTITIONS]
    commands = recipes(inputs, tiny_clip, address)
    done = run_commands(program, commands, tmp_path / "work", s3.environment)
    for name, result in done.results.items():
        assert result["exit_code"] == 0, name + result["stderr"] + result["trace"]
    copied = tmp_path / "copied"
    s3.download(PREFIX, copied)
    assert digests(copied, address) == local.digests
