"""What people see of a training: a bar on a terminal, else lines, and TensorBoard's files."""

import importlib.util
import logging
import sys
import time
from pathlib import Path
from typing import Any

from udfs.simcse.checkpoints import write_checkpoint
from udfs.simcse.loop import StepRow, TrainingState, Watcher

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES = 10.0


def has_tensorboard() -> bool:
    """Whether TensorBoard's files can be written."""
    return importlib.util.find_spec("tensorboard") is not None


class TrainingWatcher(Watcher):
    """Shows loss and rows/s, writes event files if `events` is a folder, and checkpoints."""

    def __init__(self, checkpoint: Path, events: Path | None, n_done: int) -> None:
        self._checkpoint, self._n_done = checkpoint, n_done
        self._bar: Any = None
        self._said_s = time.monotonic()
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
        if sys.stderr.isatty():
            self._show(last.step, n_steps, text)
        elif time.monotonic() - self._said_s >= _SECONDS_BETWEEN_LINES:
            self._said_s = time.monotonic()
            _log.info("step %s of %s: %s", f"{last.step:,}", f"{n_steps:,}", text)
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
        if self._bar is not None:
            self._bar.close()
        if self._events is not None:
            self._events.close()

    def _show(self, step: int, n_steps: int, text: str) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=n_steps, initial=self._n_done, unit=" steps", leave=False)
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(step - self._bar.n)
