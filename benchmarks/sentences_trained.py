"""train-sentences: the cost of its readers, two processes against one, and what training gains.

    python -m benchmarks.sentences_trained [FOLDER [SEEDS]]

Captions are BLIP's with nucleus sampling, of at least 40 characters, from the folder shared/. The
loop is fed from a snapshot and from memory, CPU seconds in turns. Gain: Spearman's correlation of
cosines with whether a caption of BLIP and one of BLIP-2, on neither of which it was trained, are of
one image, before and after training from random weights.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from benchmarks.inputs import SHARED
from benchmarks.measuring import interleaved_cpu_s, median_ratio, report
from udfs.simcse.captions import CaptionRows, CaptionsInMemory
from udfs.simcse.loop import TrainingOptions, train
from udfs.simcse.model import SimcseModel, with_new_mlp
from udfs.simcse.processes import process_group
from udfs.simcse.small_bert import make_small_bert
from udfs.simcse.snapshot_rows import SnapshotRows
from udfs.sts.evaluation import dev_score
from udfs.sts.pair_files import PairSet
from udfs.training.snapshot_files import write_snapshot

TRAINED = "BLIP_nucleus_ViT-L"
HELD_OUT = ("BLIP_ViT-L", "BLIP_2_2.7b")
SHORTEST, PAIRS, ROUNDS = 40, 2000, 5
GAIN = TrainingOptions(learning_rate=1e-3, batch_size=64, epochs=5)
FEW = 1024  # captions of a round of the loop
SPEED = TrainingOptions(learning_rate=1e-3)


def main(folder: Path, n_seeds: int) -> None:
    torch.set_num_threads(1)
    captions = [text for text in captions_of(TRAINED).values() if len(text) >= SHORTEST]
    report("sentences_fed", loop_rows(captions[:FEW], folder), folder, rounds=ROUNDS)
    report("sentences_together", process_rows(captions[:FEW]), folder)
    report("sentences_gained", gain_rows(captions, n_seeds), folder)


def captions_of(name: str) -> dict[int, str]:
    records = json.loads((SHARED / f"data/blip_coco/{name}.json").read_text())
    return {record["image_id"]: record["caption"] for record in records}


def small_model(captions: list[str], seed: int = 0) -> SimcseModel:
    bert, tokenizer = make_small_bert([captions], seed)
    return with_new_mlp(bert, tokenizer, "cpu", seed)


def loop_rows(captions: list[str], folder: Path) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(dir=folder) as snapshot:
        write_snapshot(snapshot, [pa.table({"caption": captions})], row_group_rows=128)
        model = small_model(captions)

        def of_snapshot(reader: Any) -> CaptionRows:
            return SnapshotRows(snapshot, reader, seed=0, rank=0, world_size=1)

        sides = {
            "memory": lambda: train(model, CaptionsInMemory(captions), SPEED),
            "arrow": lambda: train(model, of_snapshot("arrow"), SPEED),
            "petastorm": lambda: train(model, of_snapshot("petastorm"), SPEED),
        }
        seconds = interleaved_cpu_s(sides, rounds=ROUNDS, warm_up=1, clock=time.process_time)
    return [
        {
            "what": f"loop, {side}",
            "captions": len(captions),
            "captions a CPU second": len(captions) / float(np.median(seconds[side])),
            "of memory's": median_ratio(seconds["memory"], seconds[side]),
        }
        for side in sides
    ]


def process_rows(captions: list[str]) -> list[dict[str, Any]]:
    """One process, and two by gloo: captions that each has read, and its steps."""
    one = train_process(captions, 0, 1)
    two = run_two(captions)
    read = sorted(text for part in two for text in part["read"])
    assert read == sorted(captions), "a caption was not read once"
    return [
        {
            "what": "one process",
            "captions": len(one["read"]),
            "steps": one["steps"],
            "of half": 2.0,
        },
        {
            "what": "two processes",
            "captions": len(read),
            "steps": two[0]["steps"],
            "of half": two[0]["steps"] / (one["steps"] / 2),
        },
    ]


def train_process(captions: list[str], rank: int, world_size: int) -> dict[str, Any]:
    read: list[str] = []

    class Noted(CaptionsInMemory):
        def blocks(self, epoch: int) -> Any:
            for block in super().blocks(epoch):
                read.extend(block)
                yield block

    with process_group("cpu") as processes:
        state = train(
            small_model(captions), Noted(captions, 0, rank, world_size), SPEED, processes=processes
        )
    return {"read": read, "steps": state.step}


def run_two(captions: list[str]) -> list[dict[str, Any]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sentences_trained", "worker", str(len(captions))],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    return [json.loads(worker.communicate()[0].splitlines()[-1]) for worker in workers]


def worker(n_captions: int) -> None:
    torch.set_num_threads(1)
    captions = [text for text in captions_of(TRAINED).values() if len(text) >= SHORTEST]
    print(json.dumps(train_process(captions[:n_captions], int(os.environ["RANK"]), 2)))


def gain_rows(captions: list[str], n_seeds: int) -> list[dict[str, Any]]:
    pairs = held_out_pairs()
    rows = []
    for seed in range(n_seeds):
        model = small_model(captions, seed)
        before, started_s = dev_score(pairs, model.embed), time.process_time()
        options = TrainingOptions(**{**GAIN.__dict__, "seed": seed})
        state = train(model, CaptionsInMemory(captions, seed), options)
        seconds = time.process_time() - started_s
        after = dev_score(pairs, model.embed)
        rows.append(
            {
                "seed": seed,
                "captions": len(captions),
                "steps": state.step,
                "untrained": before,
                "trained": after,
                "gain": after - before,
                "CPU s": seconds,
            }
        )
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def held_out_pairs() -> PairSet:
    """Captions of two captioners: half of the pairs of one image, half of two."""
    first, second = (captions_of(name) for name in HELD_OUT)
    draws = np.random.default_rng(0)
    images = draws.permutation(sorted(first))[:PAIRS]
    others = np.roll(images, 1)
    is_same = np.arange(PAIRS) % 2 == 0
    seconds = [
        second[int(own if same else other)]
        for own, other, same in zip(images, others, is_same, strict=True)
    ]
    firsts = [first[int(image)] for image in images]
    return PairSet("held out", "pairs", tuple(map(float, is_same)), tuple(firsts), tuple(seconds))


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(int(sys.argv[2]))
    else:
        out = Path(sys.argv[1] if len(sys.argv) > 1 else "bench")
        out.mkdir(parents=True, exist_ok=True)
        main(out, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
