"""What the trainer says of its steps, kept exactly."""

from pathlib import Path

import pytest

from udfs.clip_training.plan import TrainingPlan
from udfs.clip_training.scalars import DivergedError, ScalarWriter, read_scalars
from udfs.clip_training.steps import step_rows
from udfs.clip_training.tries import parts_of, set_aside

VALUES = {
    "train/loss": 2.123456789012345, "train/lr": 1e-3, "train/samples_per_second": 8.0,
    "train/scale": 14.0, "train/data_time": 0.25, "train/batch_time": 0.5,
}  # fmt: skip


def test_values_are_exact_and_repeated_steps_count_once(tmp_path: Path) -> None:
    file = tmp_path / "scalars.jsonl"
    assert read_scalars(file) == {}
    for loss in (8.0, 9.0, VALUES["train/loss"]):  # tries that were killed, and one that went on
        set_aside(file)
        writer = ScalarWriter(file)
        for step in (0, 5):
            for name, value in (VALUES | {"train/loss": loss}).items():
                writer.add_scalar(name, value, step)
    assert [part.name for part in parts_of(file)] == [
        *("scalars-1.jsonl", "scalars-2.jsonl", "scalars.jsonl")
    ]
    with file.open("a") as cut_off:
        cut_off.write('[6, "train/lr", 1')
    assert read_scalars(file) == {0: VALUES, 5: VALUES}
    plan = TrainingPlan(40, 3, 8)
    assert [tuple(row) for row in step_rows(read_scalars(file), plan)] == [
        (1, 1, 8, VALUES["train/loss"], 1e-3, 8.0, 14.0, 0.25, 0.5),
        (2, 6, 48, VALUES["train/loss"], 1e-3, 8.0, 14.0, 0.25, 0.5),
    ]


def test_a_step_that_lacks_values_is_no_row(tmp_path: Path) -> None:
    writer = ScalarWriter(tmp_path / "scalars.jsonl")
    writer.add_scalar("train/lr", 1.0, 0)
    assert step_rows(read_scalars(tmp_path / "scalars.jsonl"), TrainingPlan(8, 1, 8)) == []


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_training(tmp_path: Path, loss: float) -> None:
    writer = ScalarWriter(tmp_path / "scalars.jsonl")
    with pytest.raises(DivergedError, match="the loss of step 4 is"):
        writer.add_scalar("train/loss", loss, 3)
