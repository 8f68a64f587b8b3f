"""decontaminate: rows that are in benchmark sets, by bytes, hash, embedding and text."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pydantic import ValidationError

from spark_jobs.jobs.decontaminate import Decontaminate
from tests.delta_tables import read_delta

VECTORS = "uid string, embedding array<float>, model string, weights string, fault string"


def write(spark, path: Path, rows: list[Any], columns: str) -> Path:
    spark.createDataFrame(rows, columns).coalesce(1).write.format("delta").save(str(path))
    return path


def read(spark, path: Path) -> list[Any]:
    return read_delta(spark, path).collect()


def decontaminate(captionlake, folder: Path, table: Path, benchmarks: str, *arguments: Any) -> Any:
    return captionlake(
        *("decontaminate", "--input", table, "--benchmarks", benchmarks, *arguments),
        *("--output", folder / "out", "--contaminated", folder / "contaminated"),
    )


def found(spark, folder: Path) -> set[tuple[Any, ...]]:
    rows = read(spark, folder / "contaminated")
    return {(row["uid"], row["benchmark"], row["item"], row["value"]) for row in rows}


def test_benchmarks_go_by_the_names_of_their_tables() -> None:
    settings = {"input": "/in", "output": "/out", "contaminated": "/found"}
    both = Decontaminate(benchmarks=["/a/food", "/b/cars"], **settings)
    assert both.benchmarks == {"food": "/a/food", "cars": "/b/cars"}
    assert both.addresses("input") == {
        "input": "/in", "benchmarks.food": "/a/food", "benchmarks.cars": "/b/cars",
    }  # fmt: skip
    assert Decontaminate(benchmarks="/a/food", **settings).benchmarks == {"food": "/a/food"}
    with pytest.raises(ValidationError, match="two tables have one name: give a map"):
        Decontaminate(benchmarks=["/a/food", "/b/food"], **settings)
    with pytest.raises(ValidationError):
        Decontaminate(benchmarks={}, **settings)


def test_near_hashes_of_two_benchmarks(captionlake, spark, tmp_path) -> None:
    rows = [("a", 0b1), ("b", 0b1111_0000), ("c", -1), ("d", None), ("e", 0b0)]
    table = write(spark, tmp_path / "images", rows, "uid string, phash bigint")
    first = write(
        spark, tmp_path / "first", [("i2", 0), ("i1", 0), ("i0", 0b11)], "uid string, phash bigint"
    )
    second = write(spark, tmp_path / "second", [("q", 0)], "query_id string, phash bigint")
    benchmarks = f"{{food: {first}, cars: {second}}}"
    outcome = decontaminate(
        *(captionlake, tmp_path, table, benchmarks, "--by", "phash", "--threshold", 1),
        "--decisions",
    )
    assert found(spark, tmp_path) == {
        ("a", "food", "i0", 1.0),  # i1 is as near, and comes later
        ("a", "cars", "q", 1.0),
        ("e", "food", "i1", 0.0),
        ("e", "cars", "q", 0.0),
    }
    assert outcome.summary["counts"] == {
        "rows_in": 5, "kept": 3, "contaminated": 2, "not_compared": 1, "in_food": 2, "in_cars": 2,
    }  # fmt: skip
    assert sorted(row["uid"] for row in read(spark, tmp_path / "out")) == ["b", "c", "d"]
    decisions = {row["uid"]: row for row in read(spark, tmp_path / "decisions")}
    assert len(decisions) == 5
    of_a = decisions["a"]
    assert (of_a["kept"], of_a["rule"], of_a["value"], of_a["threshold"]) == (
        *(False, "in_food", 1.0, 1.0),
    )
    assert (decisions["d"]["kept"], decisions["d"]["rule"]) == (True, "passed")


@pytest.mark.parametrize(
    "block_bytes",
    [
        pytest.param(32 << 20, id="one pass"),
        pytest.param(4 * 8 * 10, id="three passes", marks=pytest.mark.slow),
    ],
)
def test_unmet_promise_drops_what_is_too_similar(
    captionlake, spark, tmp_path, cases, monkeypatch, block_bytes
) -> None:
    from spark_jobs.images import benchmark_items

    monkeypatch.setattr(benchmark_items, "_MOST_BLOCK_BYTES", block_bytes)
    folder = cases / "unmet_arrange"
    tables = {}
    for name in ("images", "benchmark"):
        rows = pq.read_table(folder / f"dedup_input_{name}.parquet").to_pylist()
        vectors = [(f"{row['position']:03}", row["embedding"], "m", None, None) for row in rows]
        tables[name] = write(spark, tmp_path / name, vectors, VECTORS)
    outcome = decontaminate(
        *(captionlake, tmp_path, tables["images"], str(tables["benchmark"])),
        *("--by", "embedding", "--threshold", 0.604169),
    )
    expected = pq.read_table(folder / "dedup_expected.parquet").to_pylist()
    kept = {row["uid"] for row in read(spark, tmp_path / "out")}
    assert kept == {f"{row['position']:03}" for row in expected if row["keep"]}
    items = {row["uid"]: row for row in read(spark, tmp_path / "contaminated")}
    for row in expected:
        if not row["keep"]:
            of_row = items[f"{row['position']:03}"]
            assert of_row["item"] == f"{row['benchmark_position']:03}"
            assert of_row["value"] == pytest.approx(row["similarity"], abs=1e-6)
            assert of_row["benchmark"] == "benchmark"
    assert outcome.summary["counts"]["in_benchmark"] == len(items)


def test_texts_of_several_captions_a_uid(captionlake, spark, tmp_path) -> None:
    rows = [
        *(("a", 0, "A dog."), ("a", 1, "two dogs"), ("a", None, "a DOG")),
        *(("b", None, "..."), ("c", None, None)),
    ]
    table = write(spark, tmp_path / "texts", rows, "uid string, caption_id int, caption string")
    items = [("i", "a dog"), ("k", "a dog!"), ("p", "...")]
    benchmark = write(spark, tmp_path / "coco", items, "uid string, caption string")
    normalised = decontaminate(
        *(captionlake, tmp_path / "n", table, f"[{benchmark}]", "--by", "normalised_text"),
        "--decisions",
    )
    assert normalised.summary["counts"] == {
        "rows_in": 5, "kept": 3, "contaminated": 2, "not_compared": 2, "in_coco": 2,
    }  # fmt: skip
    kept = {(row["uid"], row["caption_id"]) for row in read(spark, tmp_path / "n" / "out")}
    assert kept == {("a", 1), ("b", None), ("c", None)}
    assert found(spark, tmp_path / "n") == {("a", "coco", "i", None)}
    decisions = read(spark, tmp_path / "n" / "decisions")
    dropped = {(row["uid"], row["caption_id"]) for row in decisions if not row["kept"]}
    assert len(decisions) == 5
    assert dropped == {("a", 0), ("a", None)}
    equal = decontaminate(captionlake, tmp_path / "e", table, str(benchmark), "--by", "text")
    assert equal.summary["counts"]["contaminated"] == 1  # `...`


@pytest.mark.slow
def test_faults_of_tables_are_one_line(captionlake, spark, tmp_path) -> None:
    sha = "uid string, sha256 string"
    rows = write(spark, tmp_path / "rows", [("a", "00")], sha)
    empty = write(spark, tmp_path / "empty", [], sha)
    no_uid = write(spark, tmp_path / "no_uid", [("00",)], "sha256 string")
    repeated = write(spark, tmp_path / "repeated", [("a", "0"), ("a", "1")], sha)
    vector = ("a", [1.0, 0.0], "m", None, None)
    one = write(spark, tmp_path / "one", [vector], VECTORS)
    other = write(spark, tmp_path / "other", [("a", [1.0, 0.0], "n", None, None)], VECTORS)
    longer = write(spark, tmp_path / "longer", [("a", [1.0, 0.0, 0.0], "m", None, None)], VECTORS)
    nan = write(spark, tmp_path / "nan", [("a", [float("nan"), 0.0], "m", None, None)], VECTORS)
    by_vector = ("--by", "embedding", "--threshold", 0.5)
    cases = [
        (rows, empty, (), "benchmark empty: table", 3),
        (rows, no_uid, (), "has no column 'query_id'; expected uid or query_id", 3),
        (rows, tmp_path / "absent", (), "absent", 3),
        (repeated, rows, (), "uid 'a' is there 2 times; expected one row a uid", 3),
        (one, other, by_vector, "is of m (None), but", 3),
        (one, longer, by_vector, "have 2 numbers, those of", 3),
        (one, nan, by_vector, "the vector of 'a' has a number that is NaN", 3),
        (nan, one, by_vector, "the vector of 'a' has a number that is NaN", 3),
        (one, one, ("--by", "embedding"), "by embedding needs a threshold", 2),
        (rows, rows, ("--by", "phash", "--threshold", 99), "threshold 99 is no whole number", 2),
    ]
    for table, benchmark, arguments, message, code in cases:
        outcome = decontaminate(captionlake, tmp_path / "o", table, str(benchmark), *arguments)
        assert outcome.exit_code == code, message
        assert message in outcome.error


@pytest.mark.slow
def test_an_empty_table_is_no_fault(captionlake, spark, tmp_path) -> None:
    empty = write(spark, tmp_path / "empty", [], "uid string, sha256 string")
    benchmark = write(spark, tmp_path / "set", [("a", "0")], "uid string, sha256 string")
    outcome = decontaminate(captionlake, tmp_path, empty, str(benchmark))
    assert outcome.summary["counts"] == {
        "rows_in": 0, "kept": 0, "contaminated": 0, "not_compared": 0, "in_set": 0,
    }  # fmt: skip


def encoded(seed: int, kind: str) -> bytes:
    """A picture of 6 x 6 random squares."""
    squares = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(squares).resize((240, 180), Image.Resampling.NEAREST).save(file, kind)
    return file.getvalue()


@pytest.mark.slow
def test_the_report_shows_pictures_of_the_nearest_pairs(captionlake, spark, tmp_path) -> None:
    """Hashes are computed from the images; a row without pixels stays and is counted."""
    images = [
        *(("<b>one", encoded(0, "JPEG")), ("two", encoded(2, "PNG"))),
        *(("broken", encoded(0, "PNG")[:300]), ("none", None)),
    ]
    table = write(spark, tmp_path / "images", images, "uid string, image binary")
    items = [("item", encoded(0, "PNG")), ("other", encoded(3, "PNG"))]
    benchmark = write(spark, tmp_path / "food", items, "uid string, image binary")
    outcome = decontaminate(captionlake, tmp_path, table, str(benchmark), "--by", "phash")
    assert outcome.summary["counts"] == {
        "rows_in": 4, "kept": 3, "contaminated": 1, "not_compared": 2, "in_food": 1,
    }  # fmt: skip
    captionlake("report", "--table", tmp_path / "out", "--output", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert page.count('<img src="data:image/jpeg;base64,') == 2
    assert "&lt;b&gt;one" in page
    assert "<b>one" not in page
    assert "food: phash, 2 bits differ" in page
    assert "img-src data:;" in page
    assert len(page) < 60_000
