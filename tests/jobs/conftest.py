"""The command line in the test session: exit code, what people read, and the JSON summary."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner


@dataclass(frozen=True)
class Outcome:
    exit_code: int
    stderr: str
    summary: dict[str, Any]

    @property
    def answer(self) -> str:
        """What the command was asked for, as it would print it on stdout."""
        return "\n".join(self.summary["answer"])

    @property
    def error(self) -> str:
        """The one line of a fault; fails where there are more."""
        lines = [line for line in self.stderr.splitlines() if line.startswith("error:")]
        assert len(lines) == 1, self.stderr
        assert "Traceback" not in self.stderr
        return lines[0]


Captionlake = Callable[..., Outcome]


@pytest.fixture
def captionlake(spark: SparkSession) -> Captionlake:
    from spark_jobs.cli import build_app

    def run(*arguments: object) -> Outcome:
        result = CliRunner().invoke(build_app(), [*map(str, arguments), "--json"])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        last = result.stdout.strip().splitlines()[-1]
        return Outcome(result.exit_code, result.stderr, json.loads(last))

    return run


@pytest.fixture
def captions_file(tmp_path: Path) -> Path:
    path = tmp_path / "captions.parquet"
    pq.write_table(pa.table({"caption": ["a cat", "a dog", "two cats"], "n": [1, 2, 3]}), path)
    return path


@pytest.fixture
def bank_file(tmp_path: Path) -> Path:
    path = tmp_path / "bank.txt"
    path.write_text("cat\ndog\n")
    return path
