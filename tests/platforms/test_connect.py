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
)
from tests.platforms.workload import recipes

pytestmark = [pytest.mark.connect, pytest.mark.timeout(600)]
RECIPES = ["curate", "laionet_labels", "laionet_match_frequency", "retrieval_semantic"]


@pytest.fixture(scope="session")
def connect(
    inputs: Path, tiny_clip: Path, connect_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Outcome:
    out = tmp_path_factory.mktemp("connect")
    environment = clean_environment(PYTHONPATH=str(ROOT), SPARK_REMOTE=connect_server)
    program = [sys.executable, PROGRAMS / "run_commands.py"]
    return run_commands(program, recipes(inputs, tiny_clip, out), out, environment)


@pytest.mark.parametrize("name", RECIPES)
def test_recipe(name: str, local: Outcome, connect: Outcome) -> None:
    for outcome in (local, connect):
        result = outcome.results[name]
        assert result["exit_code"] == 0, result["stderr"] + result["trace"]


def test_digests(local: Outcome, connect: Outcome) -> None:
    assert connect.digests == local.digests
