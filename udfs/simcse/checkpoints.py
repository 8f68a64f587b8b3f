"""Checkpoints of a training: one file, written whole, from which it goes on as if never stopped."""

import json
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

from udfs.file_systems import write_atomically
from udfs.simcse.loop import StepRow, TrainingState

_FORM = 1


def write_checkpoint(
    file: Path, state: TrainingState, weights: Mapping[str, Any], adam: Any
) -> None:
    """Write the state, the model's weights and the optimiser's."""
    import torch

    numbers = {
        "form": _FORM,
        "step": state.step,
        "rows": state.rows,
        "best_score": state.best_score,
        "best_step": state.best_step,
        "steps": [astuple(row) for row in state.steps],
    }
    content = {
        "numbers": json.dumps(numbers),
        "weights": dict(weights),
        "adam": adam,
        "best": state.best or {},
    }
    write_atomically(file, lambda path: torch.save(content, path))


def read_checkpoint(file: Path, device: str) -> tuple[TrainingState, dict[str, Any], Any] | None:
    """(state, weights, optimiser's state) of a checkpoint; None if there is none."""
    import torch

    if not file.is_file():
        return None
    content = torch.load(file, map_location=device, weights_only=True)
    numbers = json.loads(content["numbers"])
    state = TrainingState(
        step=numbers["step"],
        rows=numbers["rows"],
        steps=[StepRow(*row) for row in numbers["steps"]],
        best={name: value.cpu() for name, value in content["best"].items()} or None,
        best_score=numbers["best_score"],
        best_step=numbers["best_step"],
    )
    return state, content["weights"], content["adam"]
