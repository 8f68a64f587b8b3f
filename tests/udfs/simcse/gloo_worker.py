"""A process of a training without dropout: writes its losses and the captions that it has read."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from tests.udfs.simcse.conftest import corpus, tiny_model
from udfs.simcse.captions import CaptionsInMemory
from udfs.simcse.loop import TrainingOptions, train
from udfs.simcse.model import SimcseModel
from udfs.simcse.processes import process_group

OPTIONS = TrainingOptions(learning_rate=1e-3, batch_size=8, seed=3)
N_CAPTIONS = 101  # the last step has 5, of which the second process has 2


class NotedCaptions(CaptionsInMemory):
    """Notes what is read."""

    read: list[str] = []  # noqa: RUF012

    def blocks(self, epoch: int) -> Iterator[Sequence[str]]:
        for block in super().blocks(epoch):
            self.read.extend(block)
            yield block


def lively_model() -> SimcseModel:
    """Without dropout, and with weights so large that captions have different vectors at once."""
    model = tiny_model()
    for module in model.bert.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        for weights in (p for p in model.parameters() if p.dim() > 1):
            weights.mul_(20)
    return model


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    model = lively_model()
    with process_group("cpu") as processes:
        captions = NotedCaptions(corpus(N_CAPTIONS), 3, processes.rank, processes.world_size)
        state = train(model, captions, OPTIONS, processes=processes)
    result = {
        "losses": [row.loss for row in state.steps],
        "rows": [row.rows for row in state.steps],
        "read": captions.read,
        "vector": model.embed(["a dog in the park"])[0].tolist(),
    }
    (folder / f"{os.environ['RANK']}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
