"""search-substrings: the published pairs and chunks; bad classes."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark_jobs.storage.outputs.folder_marks import write_file_mark
from spark_jobs.storage.table_states import table_state
from tests.delta_tables import read_delta


def published(cases: Path, name: str) -> list[dict]:
    return pq.read_table(cases / f"unmet_substring/{name}.parquet").to_pylist()


def test_the_recipe_gives_the_published_pairs_and_chunks(
    captionlake, spark: SparkSession, cases: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    outcome = captionlake(
        *("run", "retrieval_substring", "--set", f"output={out}"),
        *("--set", f"input={cases / 'unmet_substring/input_rows.parquet'}"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    # Rows with equal url and caption are one pair here; in the published table they are several.
    kept = read_delta(spark, out / "captions").select("url").collect()
    urls = {row.url for row in kept}
    rows = read_delta(spark, out / "retrieved").collect()
    datasets = ["ImageNet", "StanfordCars", "FGVCAircraft", "Flowers102", "DTD"]
    for dataset in datasets:
        pairs = {(row["query"], row["url"]) for row in rows if row["dataset"] == dataset}
        expected = published(cases, f"expected_{dataset}")
        assert pairs == {(r["QUERY"], r["URL"]) for r in expected if r["URL"] in urls}
        assert pairs
    chunks = [
        item
        for dataset in datasets
        for item in json.loads((out / f"chunks/{dataset}/chunk_00000.json").read_text())
    ]
    assert len(chunks) == len(rows) == outcome.summary["counts"]["retrieved"]["rows"]
    fields = ["SAMPLE_ID", "URL", "TEXT", "HEIGHT", "WIDTH", "LICENSE", "NSFW", "similarity"]
    assert all([*item] == [*fields, "QUERY"] for item in chunks)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert f"captions searched, {len(rows):,} for" in page
    expected = {row["URL"]: row for row in published(cases, "expected_output_fields")}
    for item in chunks:
        row = expected[item["URL"]]
        assert {name: item[name] for name in fields if name != "similarity"} == {
            name: row[name] for name in fields if name != "similarity"
        }
        assert item["similarity"] == pytest.approx(row["similarity"], abs=1e-6)


@pytest.fixture
def captions(tmp_path: Path) -> str:
    table = pa.table({"uid": ["u", "v"], "caption": ["a red rose", "blue"]})
    pq.write_table(table, tmp_path / "captions.parquet")
    return f"parquet:{tmp_path / 'captions.parquet'}"


def test_a_bad_class_stops_no_other_unless_strict(captionlake, captions, tmp_path, spark, caplog):
    file = tmp_path / "mine.yml"
    file.write_text("dataset: Mine\nclasses: [rose, 'St. Bernard']\n")
    arguments = ["search-substrings", "--captions", captions, "--queries", file]
    outcome = captionlake(*arguments, "--output", tmp_path / "out")
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"] == {
        **{"rows_in": 2, "classes": 1, "faulty_classes": 1, "rows": 1, "classes_found": 1}
    }
    fault = f"{file}: class 'St. Bernard': '.' at character 3 must stand in a quoted phrase"
    assert f"left out: {fault}" in caplog.text
    strict = captionlake(*arguments, "--strict", "--output", tmp_path / "out")
    assert strict.exit_code == 2
    assert fault in strict.error
    row = read_delta(spark, tmp_path / "out").first()
    assert (row["dataset"], row["query"], row["uid"]) == ("Mine", "rose", "u")
    assert captionlake(*arguments, "--output", tmp_path / "out").summary["status"] == "up_to_date"
    file.write_text("dataset: Mine\nclasses: [rose, blue]\n")
    changed = captionlake(*arguments, "--output", tmp_path / "out")
    assert changed.summary["status"] == "done"
    assert changed.summary["counts"]["rows"] == 2


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ("imagnet", "no class file 'imagnet', did you mean 'imagenet'?"),
        ("./none.yml", "no class file './none.yml'; there are dtd, "),
        ("[]", "expected 1 or more items, found 0"),
    ],
)
def test_a_file_that_is_none_is_one_line(captionlake, captions, tmp_path, queries, message):
    outcome = captionlake(
        *("search-substrings", "--captions", captions, "--queries", queries),
        *("--output", tmp_path / "out"),
    )
    assert outcome.exit_code == 2
    assert message in outcome.error


@pytest.mark.slow
def test_the_chunks_are_read_back_whole(captionlake, spark: SparkSession, tmp_path: Path) -> None:
    """As captions again: a caption found for two classes is there once, and once rejected."""
    rows = {
        "uid": [f"u{k}" for k in range(6)],
        "caption": [
            "a red rose",
            'a "rose", 中文 🐈',
            "a\nblue\u2028rose",
            "red tulip",
            "x",
            "tulip",
        ],
        "url": [f"http://x/{k}" for k in range(6)],
        "width": pa.array([640, None, 3, 4, 5, 6], pa.int32()),
        "similarity": pa.array([0.3, 0.1, None, 0.7, 0.82, 1e-7], pa.float32()),
        "nsfw": ["UNLIKELY", None, "NSFW", "UNSURE", None, None],
    }
    pq.write_table(pa.table(rows), tmp_path / "captions.parquet")
    write_file_mark(str(tmp_path / "captions.parquet"), {"made_of": {"draws": ["balance"]}})
    (tmp_path / "a.yml").write_text("dataset: A set\nclasses: [rose, red]\n")
    (tmp_path / "b.yml").write_text("dataset: B.x\nclasses: [tulip, unseen]\n")
    (tmp_path / "c.yml").write_text("dataset: None\nclasses: [unseen]\n")
    files = [str(tmp_path / f"{name}.yml") for name in "abc"]
    outcome = captionlake(
        *("search-substrings", "--captions", f"parquet:{tmp_path / 'captions.parquet'}"),
        *("--queries", json.dumps(files), "--output", tmp_path / "found"),
        *("--chunks", tmp_path / "chunks"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"]["rows"] == 7
    outcome = captionlake(
        *("ingest-captions", "--input", tmp_path / "chunks", "--preset", "laion400m"),
        *("--format", "json", "--output", tmp_path / "again"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    counts = outcome.summary["counts"]
    assert (counts["rows_in"], counts["kept"], counts["duplicate_uid"]) == (7, 5, 2)
    for table in ("chunks", "chunks/*/*.json", "again"):
        assert table_state(spark, str(tmp_path / table)).made_of.draws == ("balance",)
    again = read_delta(spark, tmp_path / "again").collect()
    fields = ("caption", "url", "width", "similarity", "nsfw")
    right = {row["url"]: row for row in pa.table(rows).to_pylist() if row["caption"] != "x"}
    assert {row.url: {f: row[f] for f in fields} for row in again} == {
        url: {f: row[f] for f in fields} for url, row in right.items()
    }
