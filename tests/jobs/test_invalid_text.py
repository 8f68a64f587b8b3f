"""Tables with bytes that are no UTF-8, which Spark takes, given to each job that matches."""

from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

NO_TEXT = "CAST(X'61FF' AS STRING)"


@pytest.fixture
def table(spark: SparkSession, tmp_path: Path):
    def make(column: str, name: str = "captions") -> str:
        rows: DataFrame = spark.range(3).select(
            F.format_string("u%d", "id").alias("uid"),
            F.lit("a cat").alias("caption"),
            F.lit("en").alias("lang"),
            F.lit("t").alias("title"),
        )
        bad = rows.withColumn(column, F.expr(f"IF(uid = 'u1', {NO_TEXT}, {column})"))
        bad.coalesce(1).write.format("delta").save(str(tmp_path / name))
        return str(tmp_path / name)

    return make


def bank(tmp_path: Path) -> str:
    (tmp_path / "bank.txt").write_text("cat\ndog\n")
    return str(tmp_path / "bank.txt")


def classes(tmp_path: Path) -> str:
    (tmp_path / "pets.yml").write_text("dataset: pets\nclasses: [cat, dog]\n")
    return str(tmp_path / "pets.yml")


@pytest.mark.slow
@pytest.mark.parametrize("column", ["caption", "uid", "title"])
@pytest.mark.parametrize(
    "job", ["match-concepts", "search-substrings", "search-text", "label-synsets", "yfcc"]
)
def test_a_job_that_matches_names_column_and_row(
    captionlake, table, tmp_path: Path, job: str, column: str
) -> None:
    arguments = {
        "match-concepts": ["match-concepts", "--bank", bank(tmp_path), "--carry"],
        "search-substrings": ["search-substrings", "--queries", classes(tmp_path)],
        "search-text": [
            "search-substrings", "--queries", classes(tmp_path), "--rule", "substring",
        ],
        "label-synsets": ["label-synsets", "--synsets", "imagenet1k"],
        "yfcc": ["label-synsets", "--synsets", "imagenet1k", "--rule", "yfcc"],
    }[job]  # fmt: skip
    outcome = captionlake(
        *arguments, "--captions", table(column), "--output", str(tmp_path / "out")
    )
    assert outcome.exit_code == 3
    where = "row 1 of a batch" if column == "uid" else "the row of uid 'u1'"
    assert f"column '{column}': the bytes b'a\\xff' in {where} are no UTF-8" in outcome.error
    assert not list((tmp_path / "out").rglob("*.json"))  # no version


@pytest.mark.slow
def test_matching_and_embedding_name_the_row(
    captionlake, table, tiny_clip: Path, tmp_path: Path
) -> None:
    captions, out = table("caption"), str(tmp_path / "out")
    for arguments in (
        ["match-concepts", "--captions", captions, "--bank", bank(tmp_path)],
        ["embed-texts", "--input", captions, "--model", f"open_clip:{tiny_clip}"],
    ):
        outcome = captionlake(*arguments, "--output", out)
        assert outcome.exit_code == 3
        assert "bytes b'a\\xff' in the row of uid 'u1' are no UTF-8" in outcome.error


def test_text_that_the_driver_collects_is_named_too(
    captionlake, spark: SparkSession, table, tmp_path: Path
) -> None:
    """Banks, synsets, TSVs and lists of keys are no rows that pass a kernel."""
    captions = table("title")
    for name, columns in (
        ("bank", f"CAST(id AS int) AS entry_id, IF(id = 1, {NO_TEXT}, 'cat') AS entry"),
        ("synsets", f"'n0000000' || id AS wnid, IF(id = 1, {NO_TEXT}, 'cat') AS lemma"),
    ):
        spark.range(2).selectExpr(*columns.split(", ", 1)).write.parquet(str(tmp_path / name))
    sample = ["sample-subset", "--input", table("caption", "wrong"), "--class-column", "lang"]
    sample += ["--n", "3"]
    for arguments in (
        ["match-concepts", "--captions", captions, "--bank", str(tmp_path / "bank")],
        ["label-synsets", "--captions", captions, "--synsets", str(tmp_path / "synsets")],
        [*sample, "--tsv", str(tmp_path / "t.tsv"), "--set", "tsv_columns=[label, caption]"],
        ["export-pairs", "--input", table("uid", "keys"), "--keys", str(tmp_path / "keys.txt")],
    ):
        outcome = captionlake(*arguments, "--output", str(tmp_path / f"of_{arguments[0]}"))
        assert outcome.exit_code == 3, (arguments, outcome.stderr)
        assert "bytes b'a\\xff' in " in outcome.error, outcome.error
        assert not [*tmp_path.glob("*.t?t"), *tmp_path.glob("*.tsv")]
