"""count-concepts: the published counts of ten data sets; bad classes."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pyspark.sql import SparkSession

from tests.delta_tables import read_delta

WORDNET = Path("/usr/share/wordnet")
needs_wordnet = pytest.mark.skipif(
    not (WORDNET / "noun.exc").is_file(),
    reason="WordNet 3.0 is not in /usr/share/wordnet (Debian: wordnet-base)",
)


def published(cases: Path, name: str) -> list[dict]:
    return pq.read_table(cases / f"concept_freq/{name}.parquet").to_pylist()


@pytest.fixture
def class_files(cases: Path, tmp_path: Path) -> list[str]:
    """The published classes; names that come twice in a data set get their index."""
    lines = (cases / "concept_freq/expected_templates.jsonl").read_text(encoding="utf-8")
    classes = [json.loads(line) for line in lines.splitlines()]
    files = []
    for dataset in dict.fromkeys(row["dataset"] for row in classes):
        rows = [row for row in classes if row["dataset"] == dataset]
        names = [f"{row['class_index']} {row['class_name']}" for row in rows]
        alternatives = {
            name: row["source"] if isinstance(row["source"], list) else None
            for name, row in zip(names, rows, strict=True)
        }
        negatives = {
            name: [" ".join(words) for words in row["negatives"]]
            for name, row in zip(names, rows, strict=True)
            if row["negatives"]
        }
        if not all(alternatives.values()):
            names = [row["class_name"] for row in rows]
            alternatives = {
                row["class_name"]: [" ".join(words) for words in row["alternatives"]]
                for row in rows
                if row["class_name"] in {"arcade (passageway)", "Cardinal"}  # not from their names
            }
        content = {"dataset": dataset, "classes": names, "alternatives": alternatives}
        file = tmp_path / f"{dataset}.yml"
        file.write_text(yaml.safe_dump({**content, "negatives": negatives}, allow_unicode=True))
        files.append(str(file))
    return files


@needs_wordnet
def test_ten_data_sets_have_the_published_counts(
    captionlake, spark: SparkSession, cases: Path, class_files: list[str], tmp_path: Path
) -> None:
    captions = pq.read_table(cases / "concept_freq/input_captions.parquet")
    uids = captions["caption_id"].cast(pa.string())
    pq.write_table(captions.append_column("uid", uids), tmp_path / "captions.parquet")
    outcome = captionlake(
        *("count-concepts", "--captions", f"parquet:{tmp_path / 'captions.parquet'}"),
        *("--classes", json.dumps(class_files), "--wordnet", WORDNET),
        *("--output", tmp_path / "counts", "--frequencies", tmp_path / "frequencies.txt"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    rows = read_delta(spark, tmp_path / "counts").collect()
    expected = {
        (r["dataset"], r["class_index"]): r["count"] for r in published(cases, "expected_counts")
    }
    found = {(row["dataset"], row["class_idx"]): row["caption_count"] for row in rows}
    assert found == expected
    lines = (tmp_path / "frequencies.txt").read_text().splitlines()
    assert [int(line.split("\t")[1]) for line in lines] == list(expected.values())


@needs_wordnet
def test_captions_count_as_often_as_their_weight(
    captionlake, spark: SparkSession, cases: Path, class_files: list[str], tmp_path: Path
) -> None:
    weighted = json.loads((cases / "concept_freq/weighted_input.json").read_text())
    columns = {"caption": list(weighted), "times": list(weighted.values())}
    table = pa.table({"uid": [str(i) for i in range(len(weighted))], **columns})
    pq.write_table(table, tmp_path / "captions.parquet")
    arguments = ["count-concepts", "--captions", f"parquet:{tmp_path / 'captions.parquet'}"]
    arguments += ["--classes", class_files[0], "--wordnet", str(WORDNET)]
    outcome = captionlake(*arguments, "--weight", "times", "--output", tmp_path / "counts")
    assert outcome.exit_code == 0, outcome.stderr
    rows = read_delta(spark, tmp_path / "counts").collect()
    expected = {r["class_index"]: r["count"] for r in published(cases, "weighted_expected_counts")}
    assert {row["class_idx"]: row["caption_count"] for row in rows} == expected
    outcome = captionlake(*arguments, "--weight", "tims", "--output", tmp_path / "counts")
    assert "no column 'tims', did you mean 'times'?" in outcome.error


@pytest.fixture
def captions(tmp_path: Path) -> str:
    table = pa.table({"uid": ["u", "v"], "caption": ["two geese, a park", "goose"]})
    pq.write_table(table, tmp_path / "captions.parquet")
    return f"parquet:{tmp_path / 'captions.parquet'}"


@needs_wordnet
def test_a_bad_class_stops_no_other_unless_strict(captionlake, captions, tmp_path, spark, caplog):
    file = tmp_path / "mine.yml"
    file.write_text(
        "dataset: Mine\nclasses: [goose, '747', A380]\nnegatives: {goose: [parks], gose: [x]}\n"
    )
    arguments = ["count-concepts", "--captions", captions, "--classes", file, "--wordnet", WORDNET]
    outcome = captionlake(*arguments, "--output", tmp_path / "out")
    assert outcome.exit_code == 0, outcome.stderr
    assert f"left out: {file}: class '747': '747' has no letter from a to z" in caplog.text
    assert "negatives: there is no class 'gose', did you mean 'goose'?" in caplog.text
    rows = read_delta(spark, tmp_path / "out").collect()
    assert {row["class_name"]: row["caption_count"] for row in rows} == {"goose": 1, "A380": 1}
    strict = captionlake(*arguments, "--strict", "--output", tmp_path / "out")
    assert "class '747': '747' has no letter" in strict.error


def test_a_folder_that_is_no_wordnet_is_named(captionlake, captions, tmp_path):
    (tmp_path / "wordnet").mkdir()
    (tmp_path / "wordnet/index.noun").write_text("x")
    outcome = captionlake(
        *("count-concepts", "--captions", captions, "--classes", "dtd"),
        *("--wordnet", tmp_path / "wordnet", "--output", tmp_path / "out"),
    )
    assert outcome.exit_code == 3
    assert "wordnet: is no WordNet folder, it lacks noun.exc" in outcome.error


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ("times", "column 'times' is double, expected whole numbers"),
        ("caption", "column 'caption' is string, expected whole numbers"),
        ("tims", "has no column 'tims', did you mean 'times'?"),
    ],
)
def test_a_weight_that_is_no_whole_number_is_named(captionlake, tmp_path, weight, message):
    """A half would count as nothing."""
    (tmp_path / "wordnet").mkdir()
    (tmp_path / "wordnet/index.noun").write_text("x")
    table = pa.table({"uid": ["u"], "caption": ["a goose"], "times": [0.5]})
    pq.write_table(table, tmp_path / "captions.parquet")
    outcome = captionlake(
        *("count-concepts", "--captions", f"parquet:{tmp_path / 'captions.parquet'}"),
        *("--classes", "dtd", "--wordnet", tmp_path / "wordnet", "--weight", weight),
        *("--output", tmp_path / "out"),
    )
    assert outcome.exit_code == 3
    assert message in outcome.error
