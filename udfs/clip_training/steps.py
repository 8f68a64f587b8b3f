"""The steps of a training as rows of a table."""

from collections.abc import Mapping
from typing import NamedTuple

from udfs.clip_training.plan import TrainingPlan
from udfs.clip_training.scalars import LOSS

# Names of the trainer's scalars.
RATE, _LEARNING_RATE, _SCALE = "train/samples_per_second", "train/lr", "train/scale"
_DATA_SECONDS, _BATCH_SECONDS = "train/data_time", "train/batch_time"


class StepRow(NamedTuple):
    """A row of schemas.CLIP_TRAINING."""

    epoch: int
    step: int
    samples_seen: int
    loss: float
    learning_rate: float
    samples_per_s: float
    logit_scale: float
    data_seconds: float
    batch_seconds: float


def step_rows(scalars: Mapping[int, Mapping[str, float]], plan: TrainingPlan) -> list[StepRow]:
    """A row for each step that has all values; others were cut off as their process was killed."""
    names = (LOSS, _LEARNING_RATE, RATE, _SCALE, _DATA_SECONDS, _BATCH_SECONDS)
    return [
        StepRow(
            step // plan.steps_per_epoch + 1,
            step + 1,
            (step + 1) * plan.samples_per_step,
            *(values[name] for name in names),
        )
        for step, values in scalars.items()
        if all(name in values for name in names)
    ]
