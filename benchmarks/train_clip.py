"""train-clip's process beside open_clip's trainer run by hand, on the same shards.

    python -m benchmarks.train_clip [FOLDER [ROUNDS]]

A small model, so that reading and decoding take most of the time, which is where train-clip has
hooks. Sides alternate. Samples/s: of all steps but the first ones, from train-clip's rows and from
the trainer's own log by the same measure. CPU: of the processes from start to end. By hand the
loader is only kept from what newer versions of webdataset put at the end of a shard.
"""

import io
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from PIL import Image

from benchmarks.measuring import median_ratio, report
from udfs.clip_training.arguments import full_arguments
from udfs.clip_training.plan import TrainingPlan
from udfs.clip_training.process import SCALARS, ClipPrecision, ClipTask, train_apart
from udfs.clip_training.scalars import read_scalars
from udfs.clip_training.shard_list import shards_of_folder, train_data
from udfs.clip_training.start_model import CONFIG, StartModel
from udfs.clip_training.steps import step_rows
from udfs.images.webdataset_shards import shard_name, write_shards
from udfs.models.spec import Device

SIDE_PX, SKIPPED_STEPS = 256, 5


class Training(NamedTuple):
    """What is trained on, and how."""

    n_shards: int = 4
    per_shard: int = 400
    batch_size: int = 32
    epochs: int = 2
    loader_workers: int = 1
    device: Device = "cpu"
    precision: ClipPrecision = "fp32"


MODEL = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32},
    "text_cfg": {
        "context_length": 32, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2,
    },
}  # fmt: skip
BY_HAND = """
import sys
from functools import partial
import open_clip_train.data as data
data.tar_file_expander = partial(data.tar_file_expander, eof_value=None)
from open_clip_train.main import main
main(sys.argv[1:])
"""
_BATCH_SECONDS = re.compile(r"Batch \(t\): ([\d.]+)")


def main(folder: Path, rounds: int) -> None:
    report("train_clip", compared(folder, rounds, Training(), MODEL), folder, rounds=rounds)


def compared(
    folder: Path, rounds: int, how: Training, model: dict[str, Any]
) -> list[dict[str, Any]]:
    """A row of each side."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        paths = write(Path(work) / "shards", how)
        (Path(work) / "model").mkdir()
        (Path(work) / "model" / CONFIG).write_text(
            json.dumps({"model_cfg": model, "preprocess_cfg": {}})
        )
        rates: dict[str, list[float]] = {"train-clip": [], "by hand": []}
        seconds: dict[str, list[float]] = {side: [] for side in rates}
        for turn in range(rounds):
            for side, run in (("by hand", by_hand), ("train-clip", by_process)):
                before = children_cpu_s()
                rates[side].append(run(Path(work) / f"{side[:2]}{turn}", paths, Path(work), how))
                seconds[side].append(children_cpu_s() - before)
                print(side, rates[side][-1], seconds[side][-1], file=sys.stderr, flush=True)
    n_samples = how.n_shards * how.per_shard * how.epochs
    return [
        {
            "side": side,
            "samples": n_samples,
            "samples/s": statistics.median(rates[side]),
            "of by hand's": median_ratio(rates[side], rates["by hand"]),
            "by pair": ", ".join(
                f"{ours / theirs:.2f}"
                for ours, theirs in zip(rates[side], rates["by hand"], strict=True)
            ),
            "CPU s": statistics.median(seconds[side]),
            "of its CPU s": median_ratio(seconds[side], seconds["by hand"]),
        }
        for side in rates
    ]


def write(folder: Path, how: Training) -> list[str]:
    """Shards of noisy photographs, which are as costly to decode as others."""
    folder.mkdir()
    rng, n = np.random.default_rng(0), how.n_shards * how.per_shard
    images = []
    for _ in range(64):
        stream = io.BytesIO()
        pixels = rng.integers(0, 255, (SIDE_PX // 8, SIDE_PX // 8, 3), np.uint8)
        Image.fromarray(pixels).resize((SIDE_PX, SIDE_PX)).save(stream, "JPEG", quality=90)
        images.append(stream.getvalue())
    columns = {
        "shard": pa.array(np.repeat(np.arange(how.n_shards), how.per_shard), pa.int32()),
        "place": pa.array(range(n), pa.int64()),
        "image": pa.array([images[k % 64] for k in range(n)]),
        "text": pa.array([f"a photo of the thing number {k}" for k in range(n)]),
        "record": pa.array([f'{{"uid": "{k:032x}", "caption": "number {k}"}}' for k in range(n)]),
    }
    for _ in write_shards(str(folder), how.n_shards)([pa.RecordBatch.from_pydict(columns)]):
        pass
    names = [shard_name(number, how.n_shards) for number in range(how.n_shards)]
    (folder / "sizes.json").write_text(json.dumps(dict.fromkeys(names, how.per_shard)))
    return [str(folder / name) for name in names]


def prepared(
    folder: Path, paths: list[str], work: Path, how: Training
) -> tuple[list[str], str, TrainingPlan]:
    folder.mkdir()
    start, shards = StartModel(str(work / "model")), shards_of_folder(paths)
    start.write(folder)
    samples = how.n_shards * how.per_shard
    plan = TrainingPlan(samples, how.epochs, how.batch_size, loader_workers=how.loader_workers)
    own: dict[str, Any] = {
        "train_data": train_data(shards), "dataset_type": "webdataset",
        "batch_size": how.batch_size, "train_num_samples": plan.samples, "epochs": how.epochs,
        "lr": 1e-3, "warmup": 10,
        "workers": plan.loader_workers, "seed": 0, "model": f"local-dir:{start.folder_name()}",
        "logs": "logs", "name": "run", "resume": "latest", "save_most_recent": True,
        "save_frequency": 0, "report_to": "tensorboard", "log_every_n_steps": 1,
    }  # fmt: skip
    return full_arguments(own, start.kind, ""), start.folder_name(), plan


def by_process(folder: Path, paths: list[str], work: Path, how: Training) -> float:
    arguments, start, plan = prepared(folder, paths, work, how)
    task = ClipTask(str(folder), arguments, start, plan, plan.samples, 0, how.device, how.precision)
    train_apart(task)
    rows = step_rows(read_scalars(folder / SCALARS), plan)
    return samples_per_s(how.batch_size, [row.batch_seconds for row in rows])


def by_hand(folder: Path, paths: list[str], work: Path, how: Training) -> float:
    arguments, _, _ = prepared(folder, paths, work, how)
    place = arguments.index("--report-to")
    arguments[place + 1] = ""
    with (folder / "printed.log").open("wb") as printed:
        subprocess.run(
            [
                *(sys.executable, "-c", BY_HAND, *arguments),
                *("--device", how.device, "--precision", how.precision),
            ],
            cwd=folder,
            stdout=printed,
            stderr=printed,
            check=True,
        )
    log = (folder / "logs/run/out.log").read_text()
    return samples_per_s(
        how.batch_size, [float(seconds) for seconds in _BATCH_SECONDS.findall(log)]
    )


def samples_per_s(batch_size: int, batch_seconds: list[float]) -> float:
    counted = batch_seconds[SKIPPED_STEPS:]
    return batch_size * len(counted) / sum(counted)


def children_cpu_s() -> float:
    """CPU seconds of processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "bench")
    out.mkdir(parents=True, exist_ok=True)
    main(out.absolute(), int(sys.argv[2]) if len(sys.argv) > 2 else 5)
