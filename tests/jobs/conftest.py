"""The command line in the test session: exit code, what people read, and the JSON summary."""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
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


WORDS = {"the": "en", "a": "en", "der": "de", "ein": "de", "猫": "zh_Hans", "</s>": "en"}
Captionlake = Callable[..., Outcome]


@pytest.fixture
def captionlake(spark: SparkSession) -> Captionlake:
    from tests.command_line import app

    def run(*arguments: object) -> Outcome:
        result = CliRunner().invoke(app(), [*map(str, arguments), "--json"])
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


@pytest.fixture(scope="session")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier in fastText's binary format: each word points to its language.

    As in lid.176, each text has an end as a further word, which is of a language too.
    """
    labels = sorted(set(WORDS.values()))
    words = np.eye(len(labels), dtype=np.float32)[[labels.index(lang) for lang in WORDS.values()]]
    words[-1] /= 10  # the end says little
    softmax, supervised = 3, 3
    args = (len(labels), 5, 5, 1, 5, 1, softmax, supervised, 0, 0, 0, 100, 1e-4)
    tokens = [(w, 0) for w in WORDS] + [(f"__label__{lang}", 1) for lang in labels]
    with (tmp_path_factory.mktemp("model") / "languages.bin").open("wb") as file:
        file.write(struct.pack("<ii12id", 793712314, 12, *args))
        file.write(struct.pack("<3i2q", len(tokens), len(WORDS), len(labels), 99, -1))
        for token, kind in tokens:
            file.write(token.encode() + b"\0" + struct.pack("<qb", 1, kind))
        for matrix in (words, 20 * np.eye(len(labels), dtype=np.float32)):
            file.write(b"\0" + struct.pack("<2q", *matrix.shape) + matrix.tobytes())
    return Path(file.name)
