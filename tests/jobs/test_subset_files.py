"""What jobs of subsets write beside their tables reads back whole."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from tests.delta_tables import read_delta

CAPTIONS = [
    'she said "yes"', '"quoted"', "it's", "back\\slash", "\\", '\\"', "a\tb", "two\nlines",
    "carriage\r\nreturn", "NA", "null", "NaN", "", " spaces ", "  ", "#hash", "=1+1", "a,b;c|d",
    "naïve 東京 🐈", "zero​width", "line separator", "x" * 5_000, "'", '"', '""', "0", "1e5",
]  # fmt: skip


def read(spark: SparkSession, path: Path) -> DataFrame:
    return read_delta(spark, path)


def as_in_tsv(caption: str) -> str:
    """As published: CR, LF and tab become a space each."""
    return caption.translate(str.maketrans("\r\n\t", "   "))


@pytest.fixture
def subset(captionlake, tmp_path: Path) -> Path:
    """A subset of five classes, one of them without rows in it, with all its files."""
    captions = [f"{caption}" for caption in CAPTIONS for _ in range(3)]
    n = len(captions)
    table = pd.DataFrame({"uid": [f"{k * 2**119 + k:032x}" for k in range(n)]})
    table["caption"] = captions
    table["class"] = ["a b", "ü\tx", "'q'", "7"][0:1] * 20 + [
        ["a b", "ü\tx", "'q'", "7"][k % 4] for k in range(n - 20)
    ]
    table.loc[n - 1, "class"] = "rare"
    table.to_parquet(tmp_path / "in.parquet")
    outcome = captionlake(
        *("sample-subset", "--input", tmp_path / "in.parquet", "--output", tmp_path / "out"),
        *("--class-column", "class", "--min-per-class", 2),
        *("--tsv", tmp_path / "out.tsv", "--frequencies", tmp_path / "out.txt"),
        *("--uids", tmp_path / "out.npy"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    return tmp_path


def test_the_tsv_of_labels(captionlake, spark: SparkSession, subset: Path) -> None:
    """All rows but those whose caption is empty, which ingest rejects, as it says."""
    outcome = captionlake(
        *("ingest-captions", "--preset", "labels", "--input", subset / "out.tsv"),
        *("--output", subset / "back"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    rows = read(spark, subset / "out").toPandas()
    counts = outcome.summary["counts"]
    assert counts["rows_in"] == len(rows) == counts["kept"] + counts["rejected"]
    back = read(spark, subset / "back").toPandas()
    assert len(back) == counts["kept"]
    expected = {
        (row.uid, row.class_idx, as_in_tsv(row.caption))
        for row in rows.itertuples()
        if row.uid in set(back["uid"])
    }
    assert set(back[["uid", "label", "caption"]].itertuples(index=False, name=None)) == expected
    lost = rows[~rows["uid"].isin(back["uid"])]
    assert {caption.strip() for caption in lost["caption"]} <= {""}


def test_the_file_of_class_frequencies(captionlake, spark: SparkSession, subset: Path) -> None:
    """As a target it takes as many rows of each class of the input as the subset has."""
    outcome = captionlake(
        *("match-frequencies", "--sources", subset / "in.parquet", "--class-column", "class"),
        *("--target-counts", subset / "out.txt", "--output", subset / "matched"),
        *("--frequencies", subset / "again.txt"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"]["short"] == 0
    assert (subset / "again.txt").read_text() == (subset / "out.txt").read_text()
    counts = [
        {row["class"]: row["count"] for row in read(spark, path).groupBy("class").count().collect()}
        for path in (subset / "out", subset / "matched")
    ]
    assert counts[0] == counts[1]
    assert len(counts[0]) == 4


def test_the_array_of_uids(spark: SparkSession, subset: Path) -> None:
    array = np.load(subset / "out.npy")
    assert array.dtype == np.dtype("u8,u8")
    back = {f"{high:016x}{low:016x}" for high, low in array}
    assert back == {row.uid for row in read(spark, subset / "out").select("uid").collect()}
    assert len(back) == len(array)


def test_a_class_whose_name_breaks_the_line_has_no_line(captionlake, tmp_path: Path) -> None:
    table = pd.DataFrame({"uid": ["a", "b"], "caption": "x", "wnid": ["one", "t\nwo"]})
    table.to_parquet(tmp_path / "in.parquet")
    outcome = captionlake(
        *("sample-subset", "--input", tmp_path / "in.parquet", "--output", tmp_path / "out"),
        *("--fraction", 1, "--frequencies", tmp_path / "out.txt"),
    )
    assert outcome.exit_code == 3
    assert "class 't\\nwo' has a line break in its name" in outcome.error
    assert not (tmp_path / "out.txt").exists()
