"""train-clip: what is written, what goes on, what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from spark_jobs.jobs import train_clip
from tests.delta_tables import read_delta
from tests.udfs.clip_training.conftest import make_shards
from udfs.clip_training.process import ClipTask, train_apart


@pytest.fixture
def command(tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    pytest.importorskip("open_clip_train.params")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    make_shards(tmp_path / "shards", [8, 8, 8, 4], broken=[5])
    return [
        *("train-clip", "--shards", tmp_path / "shards", "--model", tiny_clip),
        *("--batch-size", 4, "--learning-rate", 0.001, "--output", tmp_path / "clip"),
    ]


@pytest.mark.slow
def test_a_model_is_trained_and_its_steps_are_recorded(
    captionlake, spark: SparkSession, command: list[Any], tmp_path: Path, monkeypatch
) -> None:
    command = [*command, "--samples-seen", 60, "--checkpoints", 2, "--loader-workers", 1]
    command += ["--options", "--grad-clip-norm 1.0"]

    def interrupted(task: ClipTask) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train_clip, "train_apart", interrupted)
        assert captionlake(*command).exit_code != 0
    config = tmp_path / ".clip.training/start/open_clip_config.json"
    before = config.stat().st_mtime_ns

    def seen(task: ClipTask) -> None:
        assert config.stat().st_mtime_ns == before  # it goes on
        train_apart(task)

    monkeypatch.setattr(train_clip, "train_apart", seen)
    done = captionlake(*command)
    assert done.exit_code == 0, done.stderr
    counts = done.summary["counts"]
    assert counts.pop("broken_images") >= 1
    assert counts == {
        **{"rows_in": 28, "shards": 4, "epochs": 2, "steps": 16, "samples_seen": 64},
    }
    assert f"--model open_clip:{tmp_path / 'clip'}" in done.stderr
    assert "the loader passed over" in done.stderr
    rows = read_delta(spark, tmp_path / "clip_training")
    steps = rows.orderBy("step").collect()
    assert [(r.epoch, r.step, r.samples_seen) for r in steps] == [
        (1 + k // 8, k + 1, 4 * (k + 1)) for k in range(16)
    ]
    assert steps[0].learning_rate == pytest.approx(1e-3)  # a warmup of a tenth: 1 step
    assert steps[-1].learning_rate < 1e-4
    assert all(row.loss > 0 and row.samples_per_s > 0 for row in steps)
    assert not (tmp_path / ".clip.training").exists()
    files = {file.name for file in (tmp_path / "clip").glob("[!_]*")}
    assert files == {
        *("open_clip_config.json", "open_clip_model.safetensors", "params.txt", "out.log"),
    }
    assert "grad_clip_norm: 1.0" in (tmp_path / "clip/params.txt").read_text()
    assert captionlake(*command).summary["status"] == "up_to_date"


def refusal(captionlake: Callable[..., Any], *command: Any) -> tuple[int, str]:
    result = captionlake(*command)
    return result.exit_code, result.error


def test_what_cannot_be_trained_is_refused_in_one_line(
    captionlake, command: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_clip, "train_apart", lambda task: pytest.fail("it trains"))

    def refused(*more: Any) -> tuple[int, str]:
        return refusal(captionlake, *command, *more)

    def has(outcome: tuple[int, str], code: int, words: str) -> None:
        assert outcome[0] == code
        assert words in outcome[1]

    has(refused("--model", "ViT-B-23"), 3, "near to it: ViT-B-32")
    has(refused("--model", tmp_path), 3, "has no open_clip_config.json")
    has(refused("--shards", "s3://bucket/shards"), 2, "open_clip opens paths")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/readme.md").write_text("x")
    has(refused("--shards", tmp_path / "empty"), 3, "no file .tar there")
    has(refused("--shards", tmp_path / "none"), 3, "does not exist")
    has(refused("--batch-size", 29), 3, "28 samples, fewer than the 29 of a step")
    has(refused("--batch-size", 15, "--workers", 2), 3, "the 30 of a step of 2 workers")
    has(
        refused("--loader-workers", 5), 3, "4 files, fewer than --workers 1 with --loader-workers 5"
    )
    has(refused("--workers", 5), 3, "4 files, fewer than --workers 5")
    has(refused("--options", "--lr 1"), 2, "--lr is a setting of train-clip itself")
    has(refused("--options", "--nonsense"), 2, "unrecognized arguments: --nonsense")
    has(refused("--epochs", 2, "--samples-seen", 100), 2, "expected exactly one of")
    has(refused("--samples-seen", 7), 2, "fewer than the 8 checkpoints")
    has(refused("--weights", tmp_path / "w.safetensors"), 3, "is no file")
    sizes = tmp_path / "shards/sizes.json"
    sizes.write_text(json.dumps({"00000.tar": "8"}))
    has(refused(), 3, "expected a JSON object of the samples of each shard")
