"""diff: two subsets by uid, by concept and by class."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.delta_tables import read_delta


@pytest.fixture(scope="module")
def tables(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A: u0 to u59; b: u40 to u99. Every caption is a cat, every tenth a newt; u99 has no match."""
    folder = tmp_path_factory.mktemp("diff")
    rows = spark.range(100).selectExpr(
        "concat('u', id) uid",
        "if(id < 50, 'n01', 'n02') wnid",
        "if(id % 10 = 0, array(0, 2), array(0)) entry_ids",
        "id",
    )
    rows.where("id < 60").drop("id").write.format("delta").save(str(folder / "a"))
    moved = rows.where("id >= 40").selectExpr("uid", "if(id = 45, 'n02', wnid) wnid", "entry_ids")
    moved.write.format("delta").save(str(folder / "b"))
    rows.where("id < 99").select("uid", "entry_ids").write.format("delta").save(str(folder / "m"))
    names = [(0, "cat", 99), (1, "dog", 0), (2, "newt", 10)]
    frame = spark.createDataFrame(names, "entry_id int, entry string, entry_count bigint")
    frame.write.format("delta").save(str(folder / "counts"))
    return folder


def test_by_concept(captionlake, spark: SparkSession, tables: Path, tmp_path: Path):
    outcome = captionlake(
        *("diff", tables / "a", tables / "b", "--matches", tables / "m"),
        *("--entry-counts", tables / "counts", "--output", tmp_path / "out"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    told = outcome.answer.splitlines()
    assert any(line.startswith("a: 60 uids, 40 of them only there") for line in told)
    assert any(line.startswith("b: 60 uids, 40 of them only there") for line in told)
    assert "both: 20 uids" in told
    assert f"without a row in {tables / 'm'}: 1 uids" in told
    shown = [line.split() for line in told if line.startswith(("cat", "newt", "dog"))]
    assert shown == [
        ["cat", "60", "59", "20", "100.00%", "98.33%"],
        ["newt", "6", "6", "2", "10.00%", "10.00%"],
    ]
    rows = read_delta(spark, tmp_path / "out").orderBy("entry_id").collect()
    assert [tuple(row) for row in rows] == [(0, "cat", 60, 59, 20), (2, "newt", 6, 6, 2)]


def test_by_class_counts_a_row_that_changed_its_class_on_each_side(captionlake, tables: Path):
    outcome = captionlake("diff", tables / "a", tables / "b")
    shown = [line.split() for line in outcome.answer.splitlines() if line.startswith("n0")]
    assert shown == [
        ["n01", "50", "9", "9", "83.33%", "15.00%"],
        ["n02", "10", "51", "10", "16.67%", "85.00%"],
    ]


def test_without_concepts_and_classes_the_sizes_are_told(captionlake, tables: Path):
    outcome = captionlake("diff", tables / "a", tables / "m")
    assert outcome.exit_code == 0, outcome.stderr
    assert "both: 60 uids" in outcome.answer
    assert "n01" not in outcome.answer


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("a", "b", "--by", "wndi"), 3, "has no column 'wndi', did you mean 'wnid'?"),
        (("a", "counts"), 3, "has no column 'uid'"),
        (("a", "nowhere"), 3, "does not exist"),
        (("a", "b", "--by", "entry_ids"), 3, "'entry_ids' is array<int>, expected plain values"),
        (("a", "b", "--by", "wnid", "--matches", "m"), 2, "expected one of matches and by"),
        (("a", "m", "--output", "out"), 2, "an output needs matches, or by"),
    ],
)
def test_bad_input_is_named(captionlake, tables: Path, arguments, code, message):
    given = [
        tables / value
        if not value.startswith("--") and value not in ("wnid", "wndi", "entry_ids")
        else value
        for value in arguments
    ]
    outcome = captionlake("diff", *given)
    assert outcome.exit_code == code
    assert message in outcome.error
