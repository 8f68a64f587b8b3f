"""match-concepts with languages told by a fastText model file."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from tests.delta_tables import read_delta
from udfs.language import languages


def test_the_likeliest_language_of_each_text(language_model: Path) -> None:
    texts = ["the cat", "der\nHund", "a 猫 猫", None, "", "unknown words"]
    assert languages(pa.array(texts), str(language_model)).to_pylist() == [
        "en", "de", "zh_Hans", None, "en", "en"
    ]  # fmt: skip
    assert languages(pa.array([], pa.string()), str(language_model)).to_pylist() == []


@pytest.fixture
def inputs(spark: SparkSession, tmp_path: Path) -> list[object]:
    texts = ["the rat", "ein rat", "猫 rat", "a rat rat"]
    rows = [(f"u{k}", text, "zz") for k, text in enumerate(texts)]
    frame = spark.createDataFrame(rows, "uid string, caption string, lang string")
    frame.write.parquet(str(tmp_path / "captions"))
    (tmp_path / "bank.json").write_text(json.dumps({"en": ["rat", "cat"], "de": ["rat"]}))
    files = ("--captions", tmp_path / "captions", "--bank", tmp_path / "bank.json")
    return ["match-concepts", *files, "--rule", "metaclip2", "--output", tmp_path / "matches"]


def test_a_model_tells_what_a_column_would(
    captionlake, spark: SparkSession, inputs: list[object], language_model: Path, tmp_path: Path
) -> None:
    outcome = captionlake(*inputs, "--lang-model", language_model, "--carry")
    assert outcome.exit_code == 0, outcome.stderr
    rows = read_delta(spark, tmp_path / "matches").orderBy("uid").collect()
    assert [(row.lang, row.entry_ids) for row in rows] == [
        ("en", [0]), ("de", [2]), ("zh_Hans", []), ("en", [0])
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
