"""make-queries and gather-neighbours: semantic retrieval for downstream classes."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.core.errors import InputDataError
from spark_jobs.jobs.gather_neighbours import _count_with_caption, _ordered
from spark_jobs.storage.outputs.folder_marks import read_mark
from tests.delta_tables import read_delta

CLASSES = """dataset: Pets
templates: ['a photo of a {}.', 'my {}, a pet']
classes: [cat, dog]
"""


@pytest.fixture
def class_file(tmp_path: Path) -> Path:
    (tmp_path / "pets.yml").write_text(CLASSES)
    return tmp_path / "pets.yml"


def rows_of(spark: SparkSession, path: Path) -> list:
    return read_delta(spark, path).collect()


def test_every_class_in_every_template(captionlake, spark, class_file, tmp_path: Path) -> None:
    command = ["make-queries", "--classes", class_file, "--output", tmp_path / "queries"]
    outcome = captionlake(*command)
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"] == {"datasets": 1, "classes": 2, "queries": 4}
    assert {tuple(row) for row in rows_of(spark, tmp_path / "queries")} == {
        ("Pets/cat/0", "a photo of a cat.", "Pets", "cat"),
        ("Pets/cat/1", "my cat, a pet", "Pets", "cat"),
        ("Pets/dog/0", "a photo of a dog.", "Pets", "dog"),
        ("Pets/dog/1", "my dog, a pet", "Pets", "dog"),
    }
    assert captionlake(*command, "--templates", "openai80").summary["counts"]["queries"] == 160


@pytest.mark.slow
def test_both_searches_are_united_once_a_class(
    captionlake, spark: SparkSession, class_file, tmp_path: Path, caplog
) -> None:
    captionlake("make-queries", "--classes", class_file, "--output", tmp_path / "queries")

    def neighbours(name: str, rows: list[tuple[str, str, float]]) -> Path:
        query_id, uid, similarity = zip(*rows, strict=True)
        columns = {
            "query_id": query_id, "uid": uid, "rank": pa.array(range(len(rows)), pa.int32()),
            "similarity": pa.array(similarity, pa.float32()),
        }  # fmt: skip
        pq.write_table(pa.table(columns), tmp_path / name)
        return tmp_path / name

    text = [("Pets/cat/0", "u0", 0.5), ("Pets/cat/1", "u0", 0.75), ("Pets/dog/0", "u0", 0.25)]
    by_text = neighbours("text.parquet", [*text, ("Pets/cat/0", "bad", 0.9)])
    image = [("Pets/cat/0", "u0", 0.6), ("Pets/dog/1", "u1", 0.5), ("Pets/dog/1", "gone", 0.5)]
    by_image = neighbours("image.parquet", image)
    captions = {
        "uid": ["u0", "u1", "bad", "u3"], "caption": ["c0", "c1", "c2", "c3"],
        "url": ["http://u0", "", "x", "y"], "nsfw": ["UNLIKELY", None, "NSFW", "UNLIKELY"],
        "similarity": pa.array([0.1, 0.1, 0.1, 0.1], pa.float32()),
    }  # fmt: skip
    pq.write_table(pa.table(captions), tmp_path / "captions.parquet")
    command = [
        *("gather-neighbours", "--queries", tmp_path / "queries", "--by-text", by_text),
        *("--captions", tmp_path / "captions.parquet", "--output", tmp_path / "found"),
    ]
    outcome = captionlake(*command, "--by-image", by_image, "--chunks", tmp_path / "chunks")
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"] == {
        **{"neighbours": 7, "of_other_queries": 0, "retrieved": 5, "without_caption": 1},
        **{"unsafe": 1, "rows": 3, "uids": 2, "classes": 2, "classes_found": 2},
    }
    rows = rows_of(spark, tmp_path / "found")
    assert list(rows[0].asDict()) == [
        *("dataset", "query", "rank", "uid", "similarity"),
        *("caption", "url", "nsfw", "caption_similarity"),
    ]
    # Of the cats "bad" was first, of the dogs "gone" as similar as u1 and behind it.
    found = [(r["query"], r["rank"], r.uid, r.similarity, r.caption_similarity) for r in rows]
    assert [row[:4] for row in found] == [
        ("cat", 1, "u0", 0.75), ("dog", 0, "u1", 0.5), ("dog", 2, "u0", 0.25)
    ]  # fmt: skip
    assert [row[4] for row in found] == [pytest.approx(0.1)] * 3
    assert "its 'similarity' is called 'caption_similarity'" in caplog.text
    items = json.loads((tmp_path / "chunks/Pets/chunk_00000.json").read_text())
    assert items == [
        {"QUERY": "cat", "URL": "http://u0", "TEXT": "c0", "NSFW": "UNLIKELY", "similarity": 0.75},
        {"QUERY": "dog", "URL": "", "TEXT": "c1", "NSFW": None, "similarity": 0.5},
        {"QUERY": "dog", "URL": "http://u0", "TEXT": "c0", "NSFW": "UNLIKELY", "similarity": 0.25},
    ]
    assert "made_of" in (read_mark(str(tmp_path / "chunks")) or {})
    alone = captionlake(*command, "--set", "drop_nsfw=[]")
    assert alone.summary["counts"]["rows"] == 3
    assert {(r["query"], r.uid) for r in rows_of(spark, tmp_path / "found")} == {
        ("cat", "u0"), ("dog", "u0"), ("cat", "bad")
    }  # fmt: skip
    plain = pq.read_table(tmp_path / "captions.parquet").drop_columns(["nsfw"])
    pq.write_table(plain, tmp_path / "captions.parquet")
    outcome = captionlake(*command)
    assert outcome.exit_code == 3
    assert "has no column 'nsfw'; give --drop-nsfw '[]'" in outcome.error


def of_uids(spark: SparkSession, *uids: str | None, n_classes: int = 1):
    rows = [(f"class {k}", uid) for k in range(n_classes) for uid in uids]
    return spark.createDataFrame(rows, "query string, uid string")


def test_rows_with_a_caption_are_counted_by_class(spark: SparkSession) -> None:
    """Three of the five uids of each of two classes; a caption's uid may be null."""
    retrieved = of_uids(spark, "a", "b", "c", "gone", None, n_classes=2)
    captions = of_uids(spark, "c", "b", "a", "other", "other", None, None)
    assert _count_with_caption(retrieved, captions, "./captions") == 6
    assert _count_with_caption(retrieved, of_uids(spark, "x"), "./captions") == 0
    with pytest.raises(InputDataError, match="'b' is there 2 times; expected one caption a uid"):
        _count_with_caption(retrieved, of_uids(spark, "a", "b", "b"), "./captions")


@pytest.mark.parametrize("n_rows", [2, 500_000])
def test_few_rows_are_written_by_one_task_and_joined_by_many(
    spark: SparkSession, n_rows: int
) -> None:
    rows = spark.range(0, 9, 1, 3).selectExpr(
        "'d' AS dataset", "'q' AS query", "8 - id AS rank", "id AS n"
    )
    ordered = _ordered(rows, n_rows)
    parts = ordered.select("rank", F.spark_partition_id().alias("part")).collect()
    assert [tuple(row) for row in parts] == [(rank, 0) for rank in range(9)]
    plan = ordered._jdf.queryExecution().toString()
    assert "Coalesce" not in plan
    assert "Repartition 1, true" in plan


@pytest.mark.slow
def test_the_recipe_searches_texts_and_images(
    captionlake, spark: SparkSession, class_file, tiny_clip: Path, tmp_path: Path
) -> None:
    encoded = []
    for k in range(30):
        written = io.BytesIO()
        Image.new("RGB", (32, 32), (8 * k, 255 - 8 * k, 90)).save(written, "PNG")
        encoded.append(written.getvalue())
    uids = [f"u{k}" for k in range(30)]
    captions = {"uid": uids, "caption": [f"picture {k}" for k in range(30)]}
    captions |= {"nsfw": ["UNLIKELY"] * 30, "url": [f"http://x/{k}" for k in range(30)]}
    pq.write_table(pa.table(captions), tmp_path / "captions.parquet")
    pq.write_table(pa.table({"uid": uids, "image": encoded}), tmp_path / "images.parquet")
    given = [
        f"input={tmp_path / 'captions.parquet'}", f"images={tmp_path / 'images.parquet'}", "k=7",
        f"output={tmp_path / 'out'}", f"queries.classes={class_file}", "captions.preset=null",
    ]  # fmt: skip
    for step in ("query_vectors", "text_vectors", "image_vectors"):
        given += [f"{step}.model=open_clip:{tiny_clip}", f"{step}.weights=null"]
    command = ["run", "retrieval_semantic", *(part for s in given for part in ("--set", s))]
    outcome = captionlake(*command)
    assert outcome.exit_code == 0, outcome.stderr
    rows = rows_of(spark, tmp_path / "out/retrieved")
    assert {row["query"] for row in rows} == {"cat", "dog"}
    assert 14 <= len(rows) <= 2 * 2 * 2 * 7
    assert len({(row["query"], row.uid) for row in rows}) == len(rows)
    assert len(json.loads((tmp_path / "out/chunks/Pets/chunk_00000.json").read_text())) == len(rows)
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "“a photo of a cat.”: cat (Pets), among texts" in page
    assert "“my dog, a pet”: dog (Pets), among images" in page
