"""What open_clip's trainer says of its steps, exactly: it gets a writer in TensorBoard's place.

Its log lines round, so they are not parsed.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from udfs.clip_training.tries import parts_of

LOSS = "train/loss"


class DivergedError(Exception):
    """The loss of a step is no number any more; one line."""


class ScalarWriter:
    """Has the methods of TensorBoard's SummaryWriter that the trainer calls; writes a line each.

    `also`: a real SummaryWriter that gets the same. Steps count from 0. Tries may have a step more
    than once, since a training that goes on repeats those after its checkpoint: the last counts.
    """

    def __init__(self, file: Path, also: Any = None) -> None:
        self._file = file.open("a", buffering=1)  # whole lines
        self._also = also

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Note a value of a step; DivergedError if it is a loss that is no number."""
        self._file.write(json.dumps([int(step), name, float(value)]) + "\n")
        if self._also is not None:
            self._also.add_scalar(name, value, step)
        if name == LOSS and not math.isfinite(value):
            raise DivergedError(
                f"the loss of step {step + 1:,} is {value}: give a smaller --learning-rate, or a "
                "longer --warmup"
            )


def read_scalars(file: Path) -> dict[int, dict[str, float]]:
    """Step, from 0 -> name -> value, in the order of steps, of all tries."""
    steps: dict[int, dict[str, float]] = {}
    for part in parts_of(file):
        with part.open() as lines:
            for step, name, value in whole_lines(lines):
                steps.setdefault(step, {})[name] = value
    return dict(sorted(steps.items()))


def whole_lines(lines: Any) -> Iterator[tuple[int, str, float]]:
    """The values of the lines; one that was cut off, as its process was killed, is left out."""
    for line in lines:
        try:
            step, name, value = json.loads(line)
        except ValueError:
            continue
        yield step, name, value
