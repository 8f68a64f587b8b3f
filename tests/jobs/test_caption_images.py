"""caption-images: what is stored, what a later run takes up, and what it is refused for."""

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pyspark.sql import SparkSession

from spark_jobs.core.errors import InputDataError
from spark_jobs.jobs import caption_images as job
from tests.captioners import make_blip, photographs
from tests.delta_tables import read_delta

PHOTOGRAPHS = photographs(10)
ITEMS = [*PHOTOGRAPHS, b"none", PHOTOGRAPHS[0][:200], None]
UIDS = [f"u{k:02}" for k in range(len(ITEMS))]
COLUMNS = "uid", "caption_id", "caption", "caption_source", "model", "fault"


@pytest.fixture(scope="module")
def blip(tmp_path_factory: Any) -> Path:
    return make_blip(tmp_path_factory.mktemp("blip"))


def write_images(path: Path, items: list[bytes | None], uids: list[str] = UIDS) -> None:
    columns = {"uid": pa.array(uids, pa.string()), "image": pa.array(items, pa.binary())}
    pq.write_table(pa.table(columns), path)


def rows_of(spark: SparkSession, path: Path) -> list[tuple[Any, ...]]:
    rows = read_delta(spark, path).select(*COLUMNS).collect()
    return sorted((tuple(row) for row in rows), key=lambda row: row[:2])


def command(blip: Path, tmp_path: Path, *more: object, output: str = "out") -> list[object]:
    files = ["--input", tmp_path / "in.parquet", "--output", tmp_path / output]
    how = ["--captions", 2, "--min-length", 3, "--max-length", 9]
    return ["caption-images", *files, "--model", blip, *how, *more]


def counts(captioned: int, kept: int) -> dict[str, int]:
    n = {"rows_in": captioned + kept, "captioned": captioned, "kept": kept}
    return n | {"faulty": 3, "captions": 2 * (captioned + kept - 3)}


def test_each_image_is_captioned_once(
    captionlake, spark: SparkSession, blip: Path, tmp_path: Path
) -> None:
    write_images(tmp_path / "in.parquet", ITEMS)
    line = command(blip, tmp_path)
    first = captionlake(*line)
    assert first.exit_code == 0, first.stderr
    assert first.summary["counts"] == counts(13, 0)
    assert "3 images have no caption, and the reason in `fault`" in first.stderr
    rows = rows_of(spark, tmp_path / "out")
    sound = [(uid, n) for uid in UIDS[:10] for n in range(2)]
    assert [row[:2] for row in rows] == [*sound, *((uid, 0) for uid in UIDS[10:])]
    assert all(row[2] is not None and row[5] is None for row in rows[:20])
    assert len({row[2] for row in rows[:20]}) > 10
    assert {row[3:5] for row in rows} == {("blip", str(blip))}
    faults = ["image_format", "image_broken", "null"]
    assert [(row[2], row[5]) for row in rows[20:]] == [(None, fault) for fault in faults]
    assert captionlake(*line).summary["status"] == "up_to_date"

    changed, gone = [*ITEMS], 7
    changed[3] = PHOTOGRAPHS[4]
    del changed[gone]
    write_images(tmp_path / "in.parquet", changed, [u for u in UIDS if u != UIDS[gone]])
    second = captionlake(*line)
    assert second.summary["counts"] == counts(1, 11)
    after = rows_of(spark, tmp_path / "out")
    same = {row for row in rows if row[0] not in (UIDS[3], UIDS[gone])}
    assert same < set(after)
    assert len(after) == len(rows) - 2
    assert {row for row in after if row[0] == UIDS[3]}.isdisjoint(rows)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_interrupted_run_goes_on_to_the_captions_of_a_whole_one(
    captionlake, spark: SparkSession, blip: Path, tmp_path: Path, monkeypatch
) -> None:
    """In other commits, partitions and batches too."""
    write_images(tmp_path / "in.parquet", ITEMS)
    assert captionlake(*command(blip, tmp_path, output="one")).exit_code == 0
    expected = rows_of(spark, tmp_path / "one")
    monkeypatch.setattr(job, "_MIN_IMAGES_PER_TASK", 2)
    monkeypatch.setattr(job, "_MIN_IMAGES_PER_COMMIT", 4)
    whole, calls = job.caption_images, []

    def fails_the_third_time(*given: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise InputDataError("stopped here")
        return whole(*given, **named)

    monkeypatch.setattr(job, "caption_images", fails_the_third_time)
    line = command(blip, tmp_path, "--batch-size", 3)
    assert captionlake(*line).exit_code == 3
    half = {row[0] for row in rows_of(spark, tmp_path / "out")}
    assert 0 < len(half) < 13
    again = captionlake(*line)
    assert again.summary["counts"] == counts(13 - len(half), len(half))
    assert rows_of(spark, tmp_path / "out") == expected
    assert captionlake(*line).summary["status"] == "up_to_date"
    other = captionlake(*line, "--seed", 1)
    assert other.summary["counts"] == counts(13, 0)
    assert {row[2] for row in rows_of(spark, tmp_path / "out")} != {row[2] for row in expected}


@pytest.mark.slow
def test_a_folder_of_images_needs_no_table(
    captionlake, spark: SparkSession, blip: Path, tmp_path: Path
) -> None:
    (tmp_path / "in.parquet").mkdir()  # a folder, whatever its name
    for k, item in enumerate([*PHOTOGRAPHS[:3], b"none"]):
        (tmp_path / f"in.parquet/{k}.jpg").write_bytes(item)
    outcome = captionlake(*command(blip, tmp_path, "--strategy", "beam", "--num-beams", 3))
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"] == {
        **{"rows_in": 4, "captioned": 4, "kept": 0, "faulty": 1, "captions": 6}
    }
    faults = [row[5] for row in rows_of(spark, tmp_path / "out") if row[2] is None]
    assert faults == ["image_format"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_captions_go_on_into_scores_mixes_and_measures(
    captionlake, spark: SparkSession, blip: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    """The recipe from images, step by step, on the way to one of its mixes."""
    write_images(tmp_path / "in.parquet", ITEMS)
    similarity = pa.array([k / 13 for k in range(13)], pa.float32())
    pool = {"uid": UIDS, "caption": ["a raw caption"] * 13, "similarity": similarity}
    pq.write_table(pa.table(pool), tmp_path / "pool.parquet")
    out, model = tmp_path / "out", f"open_clip:{tiny_clip}"
    changes = {
        **{"input": tmp_path / "pool.parquet", "images": tmp_path / "in.parquet", "output": out},
        **{"caption_images": "true", "caption_model": blip},
        **{f"{step}_vectors.model": model for step in ("image", "synthetic")},
        **{f"{step}_vectors.weights": "null" for step in ("image", "synthetic")},
    }
    settings = [part for k, v in changes.items() for part in ("--set", f"{k}={v}")]
    vectors = ("synthetic_vectors", "image_vectors")
    for step in ("synthetic_captions", *vectors, "synthetic_scores", "raw_top_synthetic_rest"):
        outcome = captionlake("run", "datacomp_captions", *settings, "--only", step)
        assert outcome.exit_code == 0, outcome.stderr
    mixed = read_delta(spark, out / "raw_top_synthetic_rest").collect()
    sources = {row["uid"]: row["caption_source"] for row in mixed}
    # 30 % are int(13 * 0.3) images and the one at the threshold; of the others 10 have a caption.
    assert {uid for uid, source in sources.items() if source == "raw"} == {*UIDS[9:]}
    assert {uid for uid, source in sources.items() if source == "synthetic"} == {*UIDS[:9]}
    outcome = captionlake(
        *("measure-captions", "--captions", out / "synthetic_captions", "--replicates", 0),
        *("--source-column", "caption_source", "--scores", out / "synthetic_scores"),
        *("--output", tmp_path / "measures", "--set", "nouns=false"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    counts_of = outcome.summary["counts"]
    assert (counts_of["measured"], counts_of["null_captions"]) == (10, 3)
    assert counts_of["without_score"] == 0


class TestBadInput:
    @pytest.mark.parametrize(
        ("more", "exit_code", "message"),
        [
            (["--captions", 0], 2, "captions"),
            (["--top-p", 0], 2, "top_p"),
            (["--top-p", 1.5], 2, "top_p"),
            (["--min-length", 10], 2, "min_length 10 is above max_length 9"),
            (
                ["--strategy", "beam", "--captions", 6],
                2,
                "captions 6: beam search has 5 beams, which give as many captions at most",
            ),
            (["--model", "/gone"], 3, "model /gone: /gone has no config.json"),
            (["--model", "open_clip:ViT-B-32"], 3, "writes no captions of images here"),
            pytest.param(
                *(["--device", "cuda"], 3, "device cuda: no GPU is there"), marks=pytest.mark.slow
            ),
            (["--column", "picture"], 3, "has no column 'picture'"),
        ],
    )
    def test_one_clear_line(
        self, captionlake, blip: Path, tmp_path: Path, more, exit_code: int, message: str
    ) -> None:
        import torch

        if "cuda" in more and torch.cuda.is_available():
            pytest.skip("there is a GPU")
        write_images(tmp_path / "in.parquet", ITEMS[:1], UIDS[:1])
        outcome = captionlake(*command(blip, tmp_path, *more))
        assert outcome.exit_code == exit_code, outcome.stderr
        assert message in outcome.error

    def test_no_images_at_all_and_a_uid_twice(
        self, captionlake, blip: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "in.parquet"
        folder.mkdir()
        (folder / "notes.txt").write_text("none")
        assert "no images: expected shards" in captionlake(*command(blip, tmp_path)).error
        written = io.BytesIO()
        Image.new("RGB", (40, 40)).save(written, "PNG")
        (folder / "notes.txt").unlink()
        write_images(folder / "0.parquet", [written.getvalue()] * 2, ["u", "u"])
        outcome = captionlake(*command(blip, tmp_path))
        assert "uid 'u' is there 2 times; expected one row an image" in outcome.error

    def test_a_uid_that_is_none(self, captionlake, blip: Path, tmp_path: Path) -> None:
        rows = {"uid": pa.array([1, 2]), "image": pa.array([b"", b""])}
        pq.write_table(pa.table(rows), tmp_path / "in.parquet")
        assert "column 'uid' is bigint, expected" in captionlake(*command(blip, tmp_path)).error

    def test_an_empty_table(self, captionlake, blip: Path, tmp_path: Path) -> None:
        write_images(tmp_path / "in.parquet", [], [])
        outcome = captionlake(*command(blip, tmp_path))
        assert outcome.summary["counts"] == dict.fromkeys(outcome.summary["counts"], 0)
