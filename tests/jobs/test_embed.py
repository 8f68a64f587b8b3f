"""embed-texts and embed-images: what is stored, and what a later run takes up."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.core.errors import InputDataError
from spark_jobs.jobs.embed_texts import EmbedTexts
from spark_jobs.running import embed_table
from spark_jobs.storage.run import Run
from tests.delta_tables import read_delta


def read(spark: SparkSession, path: Path) -> DataFrame:
    return read_delta(spark, path)


def versions(spark: SparkSession, path: Path) -> int:
    return spark.sql(f"DESCRIBE HISTORY delta.`{path}`").count()


def write_texts(path: Path, texts: list[str | None]) -> None:
    rows = {"uid": [f"u{k}" for k in range(len(texts))], "caption": pa.array(texts, pa.string())}
    pq.write_table(pa.table(rows), path)


TEXTS = [*(f"photo {k % 40} of a {'cat ' * (k % 7)}" for k in range(97)), None, "", "dog"]


def test_texts_become_unit_vectors_and_a_rerun_embeds_what_is_missing(
    captionlake, spark: SparkSession, tiny_clip: Path, tmp_path: Path
) -> None:
    write_texts(tmp_path / "in.parquet", TEXTS)
    command = ["embed-texts", "--input", tmp_path / "in.parquet", "--output", tmp_path / "out"]
    command += ["--model", f"open_clip:{tiny_clip}", "--batch-size", 8]
    first = captionlake(*command)
    assert first.exit_code == 0, first.stderr
    assert first.summary["counts"] == {"rows_in": 100, "embedded": 100, "kept": 0, "faulty": 1}
    rows = {row.uid: row for row in read(spark, tmp_path / "out").collect()}
    assert len(rows) == 100
    assert (rows["u97"].embedding, rows["u97"].fault) == (None, "null")
    vectors = np.array([row.embedding for row in rows.values() if row.fault is None])
    assert vectors.shape == (99, 16)
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6
    assert np.allclose(rows["u0"].embedding, rows["u40"].embedding) is (TEXTS[0] == TEXTS[40])
    assert {row.model for row in rows.values()} == {f"open_clip:{tiny_clip}"}
    assert captionlake(*command).summary["status"] == "up_to_date"

    more = [*TEXTS, "a new one"]
    more[5] = "changed"
    write_texts(tmp_path / "in.parquet", more)
    second = captionlake(*command)
    assert second.summary["counts"] == {"rows_in": 101, "embedded": 2, "kept": 99, "faulty": 1}
    after = {row.uid: row.embedding for row in read(spark, tmp_path / "out").collect()}
    assert len(after) == 101
    assert all(after[u] == row.embedding for u, row in rows.items() if u != "u5")
    assert after["u5"] != rows["u5"].embedding
    write_texts(tmp_path / "in.parquet", more[:50])
    third = captionlake(*command)
    assert third.summary["counts"] == {"rows_in": 50, "embedded": 0, "kept": 50, "faulty": 0}
    assert read(spark, tmp_path / "out").count() == 50


@pytest.mark.slow
def test_other_weights_replace_what_is_there(
    captionlake, spark: SparkSession, clip_maker: Callable[..., Path], tmp_path: Path
) -> None:
    write_texts(tmp_path / "in.parquet", ["a", "b"])
    folder = clip_maker(tmp_path / "model", seed=1)
    command = ["embed-texts", "--input", tmp_path / "in.parquet", "--output", tmp_path / "out"]
    command += ["--model", f"open_clip:{folder}"]
    assert captionlake(*command).exit_code == 0
    before = read(spark, tmp_path / "out").collect()
    clip_maker(folder, seed=2)
    outcome = captionlake(*command)
    assert outcome.summary["counts"] == {"rows_in": 2, "embedded": 2, "kept": 0, "faulty": 0}
    after = read(spark, tmp_path / "out").collect()
    assert {row.weights for row in after}.isdisjoint({row.weights for row in before})


@pytest.fixture
def in_commits(tiny_clip: Path, tmp_path: Path, monkeypatch) -> list[object]:
    """A command that embeds TEXTS in four commits."""
    write_texts(tmp_path / "in.parquet", TEXTS)
    monkeypatch.setattr(embed_table, "_MIN_ROWS_PER_COMMIT", 10)
    command = ["embed-texts", "--input", tmp_path / "in.parquet", "--output", tmp_path / "out"]
    return [*command, "--model", f"open_clip:{tiny_clip}", "--commits", 4]


@pytest.mark.slow
def test_an_interrupted_run_goes_on_after_its_last_commit(
    captionlake, spark: SparkSession, in_commits, tmp_path: Path, monkeypatch
) -> None:
    command, embed, calls = in_commits, embed_table.embed, []

    def fails_the_third_time(*given, **named):
        calls.append(1)
        if len(calls) == 3:
            raise InputDataError("stopped here")
        return embed(*given, **named)

    monkeypatch.setattr(embed_table, "embed", fails_the_third_time)
    assert captionlake(*command).exit_code == 3
    half = read(spark, tmp_path / "out").count()
    assert 0 < half < 100
    assert versions(spark, tmp_path / "out") == 2
    again = captionlake(*command)
    assert again.summary["status"] == "done"
    assert again.summary["counts"]["kept"] == half
    assert again.summary["counts"]["embedded"] == 100 - half
    rows = read(spark, tmp_path / "out")
    assert (rows.count(), rows.select("uid").distinct().count()) == (100, 100)
    assert captionlake(*command).summary["status"] == "up_to_date"


@pytest.mark.slow
def test_two_runs_over_one_output_leave_each_row_once(
    captionlake, spark: SparkSession, in_commits, tmp_path: Path, monkeypatch, caplog
) -> None:
    command, embed, calls = in_commits, embed_table.embed, []

    def with_another_run_inside(*given, **named):
        calls.append(1)
        vectors = embed(*given, **named)
        if len(calls) == 2:  # the first run has committed a part, and made the next one ready
            other = captionlake(*command, "--batch-size", 8)
            assert other.summary["counts"]["rows_in"] == 100
            assert 0 < other.summary["counts"]["embedded"] < 100
        return vectors

    monkeypatch.setattr(embed_table, "embed", with_another_run_inside)
    outcome = captionlake(*command)
    assert outcome.exit_code == 0, outcome.stderr
    assert "another run writes to it too; going on from what is there" in caplog.text
    counts = outcome.summary["counts"]
    assert (counts["rows_in"], counts["embedded"] + counts["kept"]) == (100, 100)
    assert 0 < counts["embedded"] < 100
    rows = read(spark, tmp_path / "out")
    assert (rows.count(), rows.select("uid").distinct().count()) == (100, 100)


def test_a_run_that_always_loses_is_refused_by_name(
    captionlake, spark: SparkSession, tiny_clip: Path, tmp_path: Path, monkeypatch
) -> None:
    write_texts(tmp_path / "in.parquet", ["a", "b"])
    command = ["embed-texts", "--input", tmp_path / "in.parquet", "--output", tmp_path / "out"]
    monkeypatch.setattr(Run, "commit_part", lambda *given, **named: None)
    outcome = captionlake(*command, "--model", f"open_clip:{tiny_clip}")
    assert outcome.exit_code == 3
    assert f"output {tmp_path / 'out'}: other runs write there at the same time" in outcome.error
    assert "wait until they have ended and run this again" in outcome.error


@pytest.mark.slow
def test_queries_and_several_captions_keep_their_keys(
    captionlake, spark: SparkSession, tiny_clip: Path, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"query_id": ["q0", "q1"], "text": ["a", "b"]}), tmp_path / "q.parquet")
    captions = {
        "uid": ["u", "u"],
        "caption_id": pa.array([0, 1], pa.int32()),
        "caption": ["a", "b"],
    }
    pq.write_table(pa.table(captions), tmp_path / "c.parquet")
    model = ["--model", f"open_clip:{tiny_clip}"]
    for name, more in (("q", ["--column", "text"]), ("c", [])):
        files = ["--input", tmp_path / f"{name}.parquet", "--output", tmp_path / name]
        outcome = captionlake("embed-texts", *files, *model, *more)
        assert outcome.exit_code == 0, outcome.stderr
    assert read(spark, tmp_path / "q").columns[0] == "query_id"
    assert read(spark, tmp_path / "c").columns[:2] == ["uid", "caption_id"]
    for name in ("q", "c"):
        assert read(spark, tmp_path / name).count() == 2


@pytest.mark.parametrize("form", ["bytes", "paths"])
def test_images_and_what_is_none(
    captionlake, spark: SparkSession, tiny_clip: Path, tmp_path: Path, form: str
) -> None:
    images = []
    for k in range(20):
        written = io.BytesIO()
        Image.new("RGB", (40, 30 + k), (k, 2 * k, 3 * k)).save(written, "PNG")
        images.append(written.getvalue())
    images += [b"no image", images[0][:60]]
    column = pa.array([*images, None], pa.binary())
    if form == "paths":
        for k, image in enumerate(images):
            (tmp_path / f"{k}.png").write_bytes(image)
        paths = [str(tmp_path / f"{k}.png") for k in range(len(images))]
        column = pa.array([*paths, None], pa.string())
    rows = {"uid": [f"u{k}" for k in range(23)], "image": column}
    pq.write_table(pa.table(rows), tmp_path / "in.parquet")
    command = ["embed-images", "--input", tmp_path / "in.parquet", "--output", tmp_path / "out"]
    command += ["--model", f"open_clip:{tiny_clip}", "--batch-size", 4]
    outcome = captionlake(*command)
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"] == {"rows_in": 23, "embedded": 23, "kept": 0, "faulty": 3}
    found = {row.uid: row.fault for row in read(spark, tmp_path / "out").collect()}
    assert {u for u, fault in found.items() if fault} == {"u20", "u21", "u22"}
    assert (found["u20"], found["u22"]) == ("image_format", "null")


class TestBadInput:
    @pytest.mark.parametrize(
        ("more", "exit_code", "message"),
        [
            (["--model", "mini"], 2, "expected minilm, open_clip:NAME"),
            (["--model", "open_clip:/gone"], 3, "/gone has no open_clip_config.json"),
            (["--column", "text"], 3, "has no column 'text'"),
            (["--device", "cuda"], 3, "device cuda: no GPU is there"),
        ],
    )
    def test_one_clear_line(
        self, captionlake, tiny_clip: Path, tmp_path: Path, more, exit_code: int, message: str
    ) -> None:
        import torch

        if "cuda" in more and torch.cuda.is_available():
            pytest.skip("there is a GPU")
        write_texts(tmp_path / "in.parquet", ["a", "b"])
        command = ["embed-texts", "--input", tmp_path / "in.parquet", "--output", tmp_path / "out"]
        if "--model" not in more:
            command += ["--model", f"open_clip:{tiny_clip}"]
        outcome = captionlake(*command, *more)
        assert outcome.exit_code == exit_code, outcome.stderr
        assert message in outcome.error

    def test_an_empty_table(self, captionlake, tiny_clip: Path, tmp_path: Path) -> None:
        write_texts(tmp_path / "in.parquet", [])
        command = ["embed-texts", "--input", tmp_path / "in.parquet", "--output", tmp_path / "out"]
        outcome = captionlake(*command, "--model", f"open_clip:{tiny_clip}")
        assert outcome.summary["counts"] == {"rows_in": 0, "embedded": 0, "kept": 0, "faulty": 0}

    def test_no_image_tower(self, captionlake, tmp_path: Path) -> None:
        write_texts(tmp_path / "in.parquet", ["a"])
        files = ["--input", tmp_path / "in.parquet", "--output", tmp_path / "out"]
        outcome = captionlake("embed-images", *files, "--column", "caption")
        assert outcome.exit_code == 2
        assert "model minilm has no image tower: --model open_clip:NAME" in outcome.error


def test_files_of_a_model_are_told_from_anywhere(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"input": "./in", "output": "./out"}
    told = EmbedTexts(model="open_clip:./clip", **files)
    assert told.model == f"open_clip:{tmp_path}/clip"
    told = EmbedTexts(model="open_clip:ViT-B-32", weights="b32.safetensors", **files)
    assert told.weights == f"{tmp_path}/b32.safetensors"
    assert EmbedTexts(model="open_clip:ViT-B-32", weights="openai", **files).weights == "openai"
