"""How far a training is: a bar on a terminal, else a line now and then."""

import importlib.util
import logging
import sys
import time
from typing import Any

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES = 10.0


def has_tensorboard() -> bool:
    """Whether TensorBoard's files can be written."""
    return importlib.util.find_spec("tensorboard") is not None


class TrainingProgress:
    """Shows the last step with its loss; `n_done`: steps of earlier tries."""

    def __init__(self, n_done: int) -> None:
        self._n_done = n_done
        self._bar: Any = None
        self._said_s = time.monotonic()

    def show(self, step: int, n_steps: int, text: str) -> None:
        """After a step, counted from 1."""
        if sys.stderr.isatty():
            self._show_bar(step, n_steps, text)
        elif time.monotonic() - self._said_s >= _SECONDS_BETWEEN_LINES:
            self._said_s = time.monotonic()
            _log.info("step %s of %s: %s", f"{step:,}", f"{n_steps:,}", text)

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()

    def _show_bar(self, step: int, n_steps: int, text: str) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=n_steps, initial=self._n_done, unit=" steps", leave=False)
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(step - self._bar.n)
