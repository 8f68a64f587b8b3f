"""Processes that train together by gloo, against one that has all rows of each step."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.processes import free_port
from tests.udfs.simcse.conftest import corpus
from tests.udfs.simcse.gloo_worker import N_CAPTIONS, OPTIONS, lively_model
from udfs.simcse.captions import CaptionsInMemory, in_batches
from udfs.simcse.contrastive import contrastive_loss


def run_workers(n: int, folder: Path) -> list[dict[str, Any]]:
    port = free_port()
    shared = {"WORLD_SIZE": str(n), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.udfs.simcse.gloo_worker", str(folder)],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=Path(__file__).parents[3],
        )
        for rank in range(n)
    ]
    assert [worker.wait(timeout=240) for worker in workers] == [0] * n
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(n)]


def losses_of_one_process(n_together: int) -> list[float]:
    """Of the plainest loop over the same rows: the mean gradient is 1/n of that of all rows."""
    model = lively_model()
    adam = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0)
    batches = list(in_batches(CaptionsInMemory(corpus(N_CAPTIONS), 3).blocks(0), 8 * n_together))
    losses = []
    for number, batch in enumerate(batches):
        loss = contrastive_loss(*model.two_passes(model.tokens(batch, 10)), OPTIONS.temperature)
        (loss / n_together).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.param_groups[0]["lr"] = 1e-3 * (len(batches) - number) / len(batches)
        adam.step()
        adam.zero_grad()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.slow
def test_two_processes_train_as_one_with_all_rows_and_read_each_once(tmp_path: Path) -> None:
    first, second = run_workers(2, tmp_path)
    assert first["losses"] == second["losses"]
    assert first["vector"] == pytest.approx(second["vector"], abs=1e-6)
    assert sorted([*first["read"], *second["read"]]) == sorted(corpus(N_CAPTIONS))
    assert first["rows"] == [16, 32, 48, 64, 80, 96, 101]  # half of the 13 steps of one process
    assert first["losses"] == pytest.approx(losses_of_one_process(2), rel=1e-4)
