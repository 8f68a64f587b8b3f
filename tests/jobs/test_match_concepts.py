"""match-concepts: stored, only counted, or with the captions' columns."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.testing import assertDataFrameEqual

from tests.delta_tables import read_delta


def read(spark: SparkSession, path: Path) -> DataFrame:
    return read_delta(spark, path)


@pytest.fixture
def inputs(spark: SparkSession, tmp_path: Path) -> list[object]:
    animals = ["cat", "dog", "newt", "cat dog"]
    given = [(f"u{i}", f"a {animals[i % 4]} {i}", i / 2) for i in range(400)]
    given += [("none", "nothing", 0.0), ("empty", "", 0.0)]
    frame = spark.createDataFrame(given, "uid string, caption string, score double")
    frame.write.format("delta").save(str(tmp_path / "captions"))
    (tmp_path / "bank.json").write_text(json.dumps(["cat", "dog", "cat dog", "emu"]))
    return ["--captions", tmp_path / "captions", "--bank", tmp_path / "bank.json"]


@pytest.mark.slow
def test_counts_alone_are_those_of_the_stored_matches(
    captionlake, spark: SparkSession, inputs: list[object], tmp_path: Path
):
    stored = captionlake(
        *("match-concepts", *inputs, "--output", tmp_path / "matches"),
        *("--entry-counts", tmp_path / "counts"),
    )
    alone = captionlake("match-concepts", *inputs, "--entry-counts", tmp_path / "alone")
    assert (stored.exit_code, alone.exit_code) == (0, 0), alone.stderr
    assert stored.summary["counts"] == {
        "entries": 4, "rows_in": 402, "matched": 300, "unmatched": 102, "matches": 500
    }  # fmt: skip
    assert alone.summary["counts"] == {"entries": 4, "rows_in": 402}
    assertDataFrameEqual(read(spark, tmp_path / "alone"), read(spark, tmp_path / "counts"))
    counts = {row.entry: row.entry_count for row in read(spark, tmp_path / "alone").collect()}
    assert counts == {"cat": 200, "dog": 200, "cat dog": 100, "emu": 0}
    nothing = captionlake("match-concepts", *inputs)
    assert nothing.exit_code == 2
    assert "give output, entry_counts, or both" in nothing.error


def test_spans_stand_beside_the_ids(
    captionlake, spark: SparkSession, inputs: list[object], tmp_path: Path
):
    outcome = captionlake("match-concepts", *inputs, "--spans", "--output", tmp_path / "spans")
    assert outcome.exit_code == 0, outcome.stderr
    row = read(spark, tmp_path / "spans").where("uid = 'u3'").first()  # a cat dog 3
    assert row.entry_ids == [0, 1, 2]
    assert [tuple(span) for span in row.spans] == [(0, 2, 5), (2, 2, 9), (1, 6, 9)]
    counted = captionlake("match-concepts", *inputs, "--spans", "--entry-counts", tmp_path / "c")
    assert counted.exit_code == 2
    assert "spans is of the output: give output" in counted.error


@pytest.mark.slow
def test_matches_with_captions_are_balanced_as_by_a_join(
    captionlake, spark: SparkSession, inputs: list[object], tmp_path: Path
):
    for name, carry in (("matches", "--no-carry"), ("both", "--carry")):
        outcome = captionlake(*("match-concepts", *inputs, carry, "--output", tmp_path / name))
        assert outcome.exit_code == 0, outcome.stderr
    captions, both = read(spark, tmp_path / "captions"), read(spark, tmp_path / "both")
    assert both.columns == ["uid", "caption", "score", "entry_ids"]
    assertDataFrameEqual(both.select(*captions.columns), captions)
    assertDataFrameEqual(both.select("uid", "entry_ids"), read(spark, tmp_path / "matches"))
    for captions_name, matches in (("captions", "matches"), ("both", "both")):
        outcome = captionlake(
            *("balance-captions", "--captions", tmp_path / captions_name, "--t", 40),
            *("--matches", tmp_path / matches, "--output", tmp_path / f"by_{matches}"),
            *("--probabilities", tmp_path / f"probabilities_{matches}"),
        )
        assert outcome.exit_code == 0, outcome.stderr
    joined, alone = read(spark, tmp_path / "by_matches"), read(spark, tmp_path / "by_both")
    assert 60 < joined.count() < 200
    assertDataFrameEqual(alone.select(*joined.columns), joined)
    assertDataFrameEqual(
        *(read(spark, tmp_path / f"probabilities_{name}") for name in ("matches", "both"))
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bank [1].jsonl", b'"cat"\n{"entry": "dog"}\n'),
        ("bank.txt.gz", gzip.compress(b"cat\ndog\n")),
        ("bank.json.gz", gzip.compress(b'\xef\xbb\xbf["cat", "dog"]')),
    ],
    ids=["jsonl", "txt.gz", "json.gz"],  # the bytes have the time in them
)
def test_banks_in_files_of_any_form(captionlake, spark, tmp_path: Path, name: str, content: bytes):
    captions = tmp_path / "captions.parquet"
    pq.write_table(pa.table({"uid": ["u1", "u2"], "caption": ["a cat", "a dog"]}), captions)
    (tmp_path / name).write_bytes(content)
    outcome = captionlake(
        *("match-concepts", "--captions", captions, "--bank", tmp_path / name),
        *("--output", tmp_path / "matches"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    rows = read_delta(spark, tmp_path / "matches").collect()
    assert {row.uid: row.entry_ids for row in rows} == {"u1": [0], "u2": [1]}
