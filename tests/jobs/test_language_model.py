"""match-concepts with languages told by a fastText model file."""

import json
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from udfs.language import languages

WORDS = {"the": "en", "a": "en", "der": "de", "ein": "de", "猫": "zh_Hans"}


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier in fastText's binary format: each word points to its language."""
    labels = sorted(set(WORDS.values()))
    words = np.eye(len(labels), dtype=np.float32)[[labels.index(lang) for lang in WORDS.values()]]
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


def test_the_likeliest_language_of_each_text(model: Path) -> None:
    texts = ["the cat", "der\nHund", "a 猫 猫", None, "", "unknown words"]
    assert languages(pa.array(texts), str(model)).to_pylist() == [
        "en", "de", "zh_Hans", None, None, None
    ]  # fmt: skip
    assert languages(pa.array([], pa.string()), str(model)).to_pylist() == []


@pytest.fixture
def inputs(spark: SparkSession, tmp_path: Path) -> list[object]:
    texts = ["the rat", "ein rat", "rat", "a rat rat"]
    rows = [(f"u{k}", text, "zz") for k, text in enumerate(texts)]
    frame = spark.createDataFrame(rows, "uid string, caption string, lang string")
    frame.write.parquet(str(tmp_path / "captions"))
    (tmp_path / "bank.json").write_text(json.dumps({"en": ["rat", "cat"], "de": ["rat"]}))
    files = ("--captions", tmp_path / "captions", "--bank", tmp_path / "bank.json")
    return ["match-concepts", *files, "--rule", "metaclip2", "--output", tmp_path / "matches"]


def test_a_model_tells_what_a_column_would(
    captionlake, spark: SparkSession, inputs: list[object], model: Path, tmp_path: Path
) -> None:
    outcome = captionlake(*inputs, "--lang-model", model, "--carry")
    assert outcome.exit_code == 0, outcome.stderr
    rows = spark.read.format("delta").load(str(tmp_path / "matches")).orderBy("uid").collect()
    assert [(row.lang, row.entry_ids) for row in rows] == [
        ("en", [0]), ("de", [2]), (None, []), ("en", [0])
    ]  # fmt: skip


def test_languages_that_the_bank_has_not_are_told(captionlake, inputs, caplog) -> None:
    outcome = captionlake(*inputs)
    assert outcome.exit_code == 0
    assert "nothing matched: bank has languages de, en" in caplog.text


def test_what_is_no_model(captionlake, inputs: list[object], tmp_path: Path) -> None:
    outcome = captionlake(*inputs, "--lang-model", tmp_path / "bank.json")
    assert outcome.exit_code == 3
    assert "bank.json: is no fastText model" in outcome.error
    outcome = captionlake(*inputs, "--lang-model", tmp_path / "gone.ftz")
    assert outcome.exit_code == 3, outcome.stderr
    assert "gone.ftz" in outcome.error
