"""export-hf: a card and schemas by which `datasets` loads the folder."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from pyspark.sql import SparkSession

from captionlake.training import open_snapshot

N = 25
FEATURES = {
    "uid": {"dtype": "string", "_type": "Value"},
    "caption": {"dtype": "string", "_type": "Value"},
    "score": {"dtype": "float32", "_type": "Value"},
    "entry_ids": [{"dtype": "int32", "_type": "Value"}],
    "captions": [
        {
            "caption": {"dtype": "string", "_type": "Value"},
            "weight": {"dtype": "float64", "_type": "Value"},
        }
    ],
    "image": {"_type": "Image"},
}


@pytest.fixture(scope="module")
def table(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hf") / "pairs"
    rows = [
        (f"{k:032x}", f"猫 {k}", k / 2, [k], [("a", 0.5)], bytearray(b"\x89PNG"), {"a": k})
        for k in range(N)
    ]
    columns = (
        "uid string, caption string, score float, entry_ids array<int>, "
        "captions array<struct<caption: string, weight: double>>, image binary, "
        "notes map<string, int>"
    )
    spark.createDataFrame(rows, columns).write.format("delta").save(str(folder))
    return folder


def test_card_and_schemas_name_the_same_features(captionlake, table, tmp_path) -> None:
    outcome = captionlake(
        *("export-hf", "--input", table, "--output", tmp_path / "set", "--license", "cc-by-4.0"),
        *("--columns", ",".join(FEATURES), "--rows-per-file", 15, "--title", "Cats: a\nset"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    files = sorted((tmp_path / "set" / "data").glob("*.parquet"))
    assert len(files) > 1
    for file in files:
        notes = pq.read_schema(file).metadata[b"huggingface"]
        assert json.loads(notes)["info"]["features"] == FEATURES
    text = (tmp_path / "set" / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    card = yaml.safe_load(front)
    assert body.startswith("\n# Cats: a set\n\n25 rows in ")
    assert card["license"] == "cc-by-4.0"
    assert card["size_categories"] == ["n<1K"]
    assert card["dataset_info"]["features"] == [
        *({"name": name, "dtype": "string"} for name in ("uid", "caption")),
        {"name": "score", "dtype": "float32"},
        {"name": "entry_ids", "list": "int32"},
        {
            "name": "captions",
            "list": [
                {"name": "caption", "dtype": "string"},
                {"name": "weight", "dtype": "float64"},
            ],
        },
        {"name": "image", "dtype": "image"},
    ]
    (split,) = card["dataset_info"]["splits"]
    assert (split["name"], split["num_examples"]) == ("train", N)
    assert card["dataset_info"]["download_size"] == sum(file.stat().st_size for file in files)
    (config,) = card["configs"]
    assert config["data_files"] == [{"split": "train", "path": "data/*.parquet"}]
    assert open_snapshot(str(tmp_path / "set"), check="digests").rows == N  # readers take it too


def test_maps_are_refused(captionlake, table, tmp_path) -> None:
    fault = captionlake("export-hf", "--input", table, "--output", tmp_path / "set").error
    assert "column 'notes' is map<string, int32>, which Hugging Face's datasets cannot" in fault
