"""train-sentences and evaluate-sentences: what is written, what goes on, what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pyspark.sql import SparkSession

from spark_jobs.jobs import train_sentences
from tests.delta_tables import read_delta
from tests.udfs.simcse.conftest import TINY, corpus, tiny_model
from udfs.simcse import process
from udfs.simcse.loop import TrainingState
from udfs.simcse.model_files import write_model


def write_captions(path: Path, captions: list[str | None]) -> None:
    rows = {"uid": [f"u{k}" for k in range(len(captions))], "caption": pa.array(captions)}
    pq.write_table(pa.table(rows), path)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small BERT is a tiny one here, for which threads wait longer than they work."""
    torch.set_num_threads(1)
    monkeypatch.setattr(
        train_sentences,
        "make_small_bert",
        lambda captions, seed: make(captions, seed, TINY),
    )


make = train_sentences.make_small_bert


@pytest.fixture
def command(tmp_path: Path) -> list[Any]:
    write_captions(tmp_path / "captions.parquet", [*corpus(100), None, "", " \t\n", None])
    pairs = [
        f"{k % 2}\t{a}\t{b}"
        for k, (a, b) in enumerate(zip(corpus(40), corpus(41)[1:], strict=True))
    ]
    (tmp_path / "dev.tsv").write_text("\n".join(pairs))
    return [
        *("train-sentences", "--captions", tmp_path / "captions.parquet", "--model", "small"),
        *("--dev", tmp_path / "dev.tsv", "--eval-steps", 3, "--learning-rate", 0.01),
        *("--checkpoint-steps", 2, "--output", tmp_path / "encoder"),
    ]


def steps_of(spark: SparkSession, path: Path) -> list[Any]:
    return read_delta(spark, path).orderBy("step").collect()


def test_an_encoder_is_trained_and_its_steps_are_recorded(
    captionlake, spark: SparkSession, command: list[Any], tmp_path: Path
) -> None:
    done = captionlake(*command)
    assert done.exit_code == 0, done.stderr
    counts = done.summary["counts"]
    best_step = counts.pop("best_step")
    assert counts == {
        **{"rows_in": 104, "null_captions": 2, "empty_captions": 2, "captions": 100},
        **{"steps": 7, "trained": 100},
    }
    steps = steps_of(spark, tmp_path / "encoder_training")
    assert [row.step for row in steps] == [*range(1, 8)]
    assert [row.rows for row in steps][-1] == 100
    scores = {row.step: row.dev_score for row in steps if row.dev_score is not None}
    assert set(scores) == {3, 6, 7}
    assert max(scores, key=lambda step: (scores[step], -step)) == best_step
    assert all(np.isfinite(row.loss) and row.rows_per_s > 0 for row in steps)
    assert not (tmp_path / ".encoder.training").exists()
    assert captionlake(*command).summary["status"] == "up_to_date"


@pytest.mark.slow
def test_an_encoder_embeds_and_is_evaluated(
    captionlake, spark: SparkSession, command: list[Any], tmp_path: Path
) -> None:
    done = captionlake(*command)
    assert done.exit_code == 0, done.stderr
    scores = {row.step: row.dev_score for row in steps_of(spark, tmp_path / "encoder_training")}
    best_step = done.summary["counts"]["best_step"]
    embedded = captionlake(
        *(
            "embed-texts",
            "--input",
            tmp_path / "captions.parquet",
            "--output",
            tmp_path / "vectors",
        ),
        *("--model", tmp_path / "encoder"),
    )
    assert embedded.exit_code == 0, embedded.stderr
    vectors = read_delta(spark, tmp_path / "vectors")
    assert vectors.where("fault IS NULL").count() == 102

    evaluated = captionlake(
        *("evaluate-sentences", "--sts", tmp_path / "dev.tsv", "--output", tmp_path / "sts"),
        *("--model", f"sentence_transformers:{tmp_path / 'encoder'}"),
    )
    assert evaluated.exit_code == 0, evaluated.stderr
    assert evaluated.summary["counts"] == {
        "sets": 1, "pairs": 40, "sentences": 41, "without_vector": 0
    }  # fmt: skip
    rows = read_delta(spark, tmp_path / "sts").collect()
    values = {(row.task, row.set, row.measure): row.value for row in rows}
    assert values["dev.tsv", "pairs", "spearman"] == pytest.approx(scores[best_step], abs=2e-4)
    assert f"dev.tsv: {100 * values['dev.tsv', 'pairs', 'spearman']:.2f}" in evaluated.stderr


def test_a_run_that_was_killed_goes_on_with_the_same_losses(
    captionlake,
    spark: SparkSession,
    command: list[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = [*command, "--epochs", 2]
    assert captionlake(*command[:-3], tmp_path / "whole", *command[-2:]).exit_code == 0
    written = process.TrainingWatcher.on_checkpoint

    def killed(self: Any, state: TrainingState, *rest: Any) -> None:
        written(self, state, *rest)
        if state.step == 8:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(process.TrainingWatcher, "on_checkpoint", killed)
        assert captionlake(*command).exit_code != 0
    assert (tmp_path / ".encoder.training/checkpoint.pt").is_file()
    n_read = []
    monkeypatch.setattr(
        process.TrainingWatcher, "on_checkpoint",
        lambda self, state, *rest: n_read.append(state.step),
    )  # fmt: skip
    assert captionlake(*command).exit_code == 0
    assert n_read == [10, 12]  # it went on after step 8
    whole, gone_on = (
        [(r.step, r.rows, r.loss, r.learning_rate, r.dev_score) for r in steps_of(spark, path)]
        for path in (tmp_path / "whole_training", tmp_path / "encoder_training")
    )
    assert gone_on == whole
    weights = "model.safetensors"
    assert (tmp_path / "encoder" / weights).read_bytes() == (
        tmp_path / "whole" / weights
    ).read_bytes()


@pytest.mark.slow
def test_an_encoder_is_evaluated_on_sentevals_folder(
    captionlake, spark: SparkSession, cases: Path, tmp_path: Path
) -> None:
    model = tiny_model()
    write_model(model.bert, model.tokenizer, tmp_path / "encoder")
    done = captionlake(
        *("evaluate-sentences", "--sts", cases / "simcse_eval/input_SentEval"),
        *("--model", f"sentence_transformers:{tmp_path / 'encoder'}", "--output", tmp_path / "sts"),
    )
    assert done.exit_code == 0, done.stderr
    assert done.summary["counts"]["sets"] == 30
    rows = read_delta(spark, tmp_path / "sts").collect()
    values = {(r.task, r.set, r.measure): r for r in rows}
    tasks = [*(f"STS{k}" for k in range(12, 17)), "STSBenchmark", "SICKRelatedness", "average"]
    assert {task for task, _, _ in values} == set(tasks)
    assert values["STSBenchmark", "test", "spearman"].n == 34
    shown = [line for line in done.stderr.splitlines() if line.startswith("  ")]
    assert sorted(line.split(":")[0].strip() for line in shown) == sorted(tasks)


def faults(captionlake: Callable[..., Any], *command: Any) -> tuple[int, str]:
    result = captionlake(*command)
    assert "Traceback" not in result.stderr
    return result.exit_code, result.stderr.strip().splitlines()[-1]


def test_what_cannot_be_trained_is_refused_in_one_line(
    captionlake, command: list[Any], tmp_path: Path
) -> None:
    code, line = faults(captionlake, *command, "--max-length", 2)
    assert (code, "max_length" in line) == (2, True), line
    code, line = faults(captionlake, *command, "--batch-size", 64, "--workers", 2)
    assert code == 3
    assert "100 captions that are not empty, fewer than the 128 of a step of 2 workers" in line
    code, line = faults(captionlake, *command, "--model", tmp_path / "none")
    assert (code, "none has no config.json" in line) == (3, True), line
    (tmp_path / "gpt").mkdir()
    (tmp_path / "gpt/config.json").write_text(json.dumps({"model_type": "gpt2"}))
    code, line = faults(captionlake, *command, "--model", tmp_path / "gpt")
    assert (code, "is of type 'gpt2', expected a BERT-like one" in line) == (3, True), line
    (tmp_path / "dev.tsv").write_text("1\ta\n")
    code, line = faults(captionlake, *command)
    assert (code, "dev.tsv: line 1 has 2 columns between tabs" in line) == (3, True), line


def test_a_snapshot_that_was_changed_stops_the_training(
    captionlake, command: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(task: process.TrainingTask) -> None:
        [file] = (Path(task.folder) / "captions/data").glob("*.parquet")
        shutil.copy(tmp_path / "captions.parquet", file)
        process.train_in_folder(task)

    monkeypatch.setattr(train_sentences, "train_in_folder", changed)
    code, line = faults(captionlake, *command)
    assert (code, "rows-00000.parquet: has" in line) == (3, True), line


@pytest.mark.slow
def test_two_workers_take_half_of_the_steps(
    captionlake, spark: SparkSession, command: list[Any], tmp_path: Path
) -> None:
    """TorchDistributor starts them on this machine, since Spark runs in local mode."""
    for reader in ("arrow", "petastorm"):
        out = tmp_path / reader
        done = captionlake(
            *command[:-1], out, "--workers", 2, "--batch-size", 8, "--reader", reader
        )
        assert done.exit_code == 0, done.stderr
        assert done.summary["counts"]["trained"] == 100
        steps = steps_of(spark, tmp_path / f"{reader}_training")
        assert len(steps) == done.summary["counts"]["steps"]
        assert 7 <= len(steps) <= 1.2 * 13 / 2
