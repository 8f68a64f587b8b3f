"""What people see of a training of sentence encoders, and TensorBoard's files."""

from pathlib import Path
from typing import Any

from udfs.simcse.checkpoints import write_checkpoint
from udfs.simcse.loop import StepRow, TrainingState, Watcher
from udfs.training_progress import TrainingProgress, has_tensorboard


class TrainingWatcher(Watcher):
    """Shows loss and rows/s, writes event files if `events` is a folder, and checkpoints."""

    def __init__(self, checkpoint: Path, events: Path | None, n_done: int) -> None:
        self._checkpoint = checkpoint
        self._progress = TrainingProgress(n_done)
        self._events: Any = None
        if events is not None and has_tensorboard():
            from torch.utils.tensorboard import SummaryWriter

            self._events = SummaryWriter(str(events), purge_step=n_done + 1)

    def on_rows(self, rows: list[StepRow], n_steps: int) -> None:
        """Show the last of them, and write all to the event files."""
        last = rows[-1]
        text = f"loss {last.loss:.4f}, {last.rows_per_s:,.0f} rows/s"
        if last.dev_score is not None:
            text += f", dev {last.dev_score:.4f}"
        self._progress.show(last.step, n_steps, text)
        if self._events is not None:
            for row in rows:
                self._events.add_scalar("train/loss", row.loss, row.step)
                self._events.add_scalar("train/learning_rate", row.learning_rate, row.step)
                self._events.add_scalar("train/rows_per_s", row.rows_per_s, row.step)
                if row.dev_score is not None:
                    self._events.add_scalar("dev/spearman", row.dev_score, row.step)

    def on_checkpoint(self, state: TrainingState, weights: dict[str, Any], adam: Any) -> None:
        """Write it in the place of the last one."""
        write_checkpoint(self._checkpoint, state, weights, adam)
        if self._events is not None:
            self._events.flush()

    def close(self) -> None:
        """End the bar and the event files."""
        self._progress.close()
        if self._events is not None:
            self._events.close()
