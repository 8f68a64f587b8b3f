"""Chunks by data set: inside the output whatever a data set is called, and each row once."""

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from spark_jobs.core.errors import InputDataError
from spark_jobs.formats.retrieval_chunks import SEMANTIC_FIELDS, TEXT_FIELDS, write_chunks
from spark_jobs.storage.outputs.folder_marks import read_mark

METADATA = {"run_id": "r1"}
DATASETS = ["pets", "../../escape", "a/b", "a_b", "Cars", "cars", "", "/abs"]


def found(spark: SparkSession, datasets: list[str | None]):
    rows = [(name, "cat", f"u{n}") for n, name in enumerate(datasets)]
    return spark.createDataFrame(rows, "dataset string, query string, uid string").coalesce(1)


def test_each_data_set_has_its_folder_inside_the_output(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "deep/in/chunks"
    assert write_chunks(
        found(spark, DATASETS), str(out), SEMANTIC_FIELDS, DATASETS, metadata=METADATA
    ) == len(DATASETS)
    files = sorted(file for file in tmp_path.rglob("*.json") if file.is_file())
    assert [file.name for file in files] == ["chunk_00000.json"] * len(DATASETS)
    assert {file.parent.parent for file in files} == {out}
    assert all(len(json.loads(file.read_text())) == 1 for file in files)
    names = {file.parent.name for file in files}
    assert names > {"pets", "a_b", "cars"}
    renamed = (read_mark(str(out)) or {})["datasets"]
    assert renamed.keys() == names - {"pets", "a_b", "cars"}
    assert sorted(renamed.values()) == ["", "../../escape", "/abs", "Cars", "a/b"]
    assert any("dataset '../../escape' are in escape~" in line for line in caplog.messages)


def test_a_row_of_no_data_set_is_never_left_out(spark: SparkSession, tmp_path: Path) -> None:
    for datasets, name in ((["pets", None], "None"), (["pets", "birds"], "'birds'")):
        rows = found(spark, datasets)
        with pytest.raises(InputDataError, match=f"dataset {name}: 1 rows are of it"):
            write_chunks(rows, str(tmp_path / "out"), SEMANTIC_FIELDS, ["pets"], metadata=METADATA)
    assert not (tmp_path / "out").exists()


def test_what_is_empty_is_null_as_in_the_published_search(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Of the text search what Python holds for false; the semantic search writes all as it is."""
    rows = [
        ("pets", "0", "u0", "0", "", 0.0, "512.0", "0"),
        ("pets", "", "u1", "", "0.0", -0.5, "x", "8"),
    ]
    columns = "dataset string, query string, uid string, caption string, url string"
    columns += ", similarity double, width string, height string"
    found_rows = spark.createDataFrame(rows, columns).coalesce(1)

    def items(name: str, fields: dict[str, str], **how: bool) -> list[dict]:
        address = str(tmp_path / name)
        write_chunks(found_rows, address, fields, ["pets"], metadata=METADATA, order=["uid"], **how)
        return json.loads((tmp_path / name / "pets/chunk_00000.json").read_text())

    empty = {"SAMPLE_ID": None, "LICENSE": None, "NSFW": None}
    assert items("text", TEXT_FIELDS, is_empty_null=True) == [
        {
            **empty,
            "URL": None,
            "TEXT": "0",
            "HEIGHT": None,
            "WIDTH": 512,
            "similarity": None,
            "QUERY": "0",
        },
        {
            **empty,
            "URL": "0.0",
            "TEXT": None,
            "HEIGHT": 8,
            "WIDTH": None,
            "similarity": -0.5,
            "QUERY": "",
        },
    ]
    assert items("semantic", SEMANTIC_FIELDS) == [
        {"QUERY": "0", "URL": "", "TEXT": "0", "NSFW": None, "similarity": 0.0},
        {"QUERY": "", "URL": "0.0", "TEXT": "", "NSFW": None, "similarity": -0.5},
    ]
