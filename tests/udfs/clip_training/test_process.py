"""open_clip's trainer in a process of its own: results, repeats, interruptions, faults."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.udfs.clip_training.conftest import MakeShards
from udfs.clip_training.arguments import full_arguments
from udfs.clip_training.plan import TrainingPlan
from udfs.clip_training.process import (
    CHECKPOINT,
    SCALARS,
    TASK,
    ClipTask,
    read_result,
    task_from_file,
    train_apart,
)
from udfs.clip_training.scalars import read_scalars
from udfs.clip_training.shard_list import shards_of_folder, train_data
from udfs.clip_training.start_model import StartModel
from udfs.clip_training.steps import step_rows
from udfs.training_runs import TrainingError, write_json
from udfs.watched_processes import is_running

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("open_clip_train") is None, reason="open_clip is not installed"
)
# As the job does, it gives its own process id.
_DRIVER = """
import os, sys
from dataclasses import replace
from pathlib import Path
from udfs.clip_training.process import task_from_file, train_apart
train_apart(replace(task_from_file(Path(sys.argv[1])), driver=os.getpid()))
"""


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def task_in(folder: Path, paths: list[str], model: Path) -> ClipTask:
    folder.mkdir()
    shards, start = shards_of_folder(paths), StartModel(str(model))
    rows = sum(shard.rows for shard in shards)
    plan = TrainingPlan(rows, 3, 8, loader_workers=1)
    start.write(folder)
    own = {
        "train_data": train_data(shards), "dataset_type": "webdataset", "batch_size": 8,
        "train_num_samples": rows, "epochs": 3, "lr": 1e-3, "warmup": 0, "workers": 1, "seed": 4,
        "model": f"local-dir:{start.folder_name()}", "logs": "logs", "name": "run",
        "resume": "latest", "save_most_recent": True, "save_frequency": 0,
        "report_to": "tensorboard", "log_every_n_steps": 1,
    }  # fmt: skip
    arguments = full_arguments(own, start.kind, "")
    return ClipTask(
        str(folder), arguments, start.folder_name(), plan, rows, 4, "cpu", driver=os.getpid()
    )


def losses(folder: Path, plan: TrainingPlan) -> list[tuple[int, float, float]]:
    rows = step_rows(read_scalars(folder / SCALARS), plan)
    return [(row.step, row.loss, row.learning_rate) for row in rows]


@pytest.mark.slow
def test_a_training_whose_driver_was_killed_goes_on_with_the_same_losses(
    shard_maker: MakeShards, tiny_clip: Path, tmp_path: Path
) -> None:
    paths = shard_maker(tmp_path / "shards", [8] * 4)
    whole = task_in(tmp_path / "whole", paths, tiny_clip)
    train_apart(whole)
    assert [step for step, *_ in losses(tmp_path / "whole", whole.plan)] == [*range(1, 13)]

    part = task_in(tmp_path / "part", paths, tiny_clip)
    write_json(tmp_path / "part.json", asdict(part))
    driver = subprocess.Popen([sys.executable, "-c", _DRIVER, str(tmp_path / "part.json")])
    until = time.monotonic() + 100
    while not (tmp_path / "part" / CHECKPOINT).is_file():
        assert time.monotonic() < until
        time.sleep(0.01)
    trainers = _processes_in(tmp_path / "part")
    for trainer in trainers:  # it must not end before it has looked for its driver
        os.kill(trainer, signal.SIGSTOP)
    driver.kill()  # while it is not collected yet
    time.sleep(1.5)
    for trainer in trainers:
        os.kill(trainer, signal.SIGCONT)
    until = time.monotonic() + 20
    while any(map(is_running, trainers)):
        assert time.monotonic() < until
        time.sleep(0.05)
    driver.wait()
    assert read_result(tmp_path / "part") is None
    train_apart(part)
    assert losses(tmp_path / "part", part.plan) == losses(tmp_path / "whole", whole.plan)
    weights = [
        (tmp_path / name / "model/open_clip_model.safetensors").read_bytes()
        for name in ("whole", "part")
    ]
    assert weights[0] == weights[1]

    import open_clip

    model = open_clip.create_model(f"local-dir:{tmp_path / 'part/model'}")
    assert model.visual.preprocess_cfg["mean"] == [0.5, 0.5, 0.5]


def _processes_in(folder: Path) -> list[int]:
    """The processes of this machine that have the folder in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if str(folder / TASK).encode() in words:
                found.append(int(entry.name))
    return found


def test_a_task_comes_back_from_its_file(tmp_path: Path) -> None:
    task = ClipTask(str(tmp_path), ["--lr", "1"], "start", TrainingPlan(9, 1, 2), 9, 0)
    (tmp_path / TASK).write_text(json.dumps(asdict(task)))
    assert task_from_file(tmp_path / TASK) == task


def test_a_gpu_that_is_not_there_is_told(tmp_path: Path) -> None:
    task = ClipTask(str(tmp_path), [], "start", TrainingPlan(9, 1, 2), 9, 0, "cuda")
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(TrainingError, match="device cuda: no GPU is there"):
        train_apart(task)
