"""Show how far a training is while its process writes its steps into a file."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from udfs.clip_training.scalars import LOSS, read_scalars, whole_lines
from udfs.clip_training.steps import RATE
from udfs.training_progress import TrainingProgress

_SECONDS_BETWEEN_LOOKS = 1.0


@contextmanager
def shown_progress(file: Path, n_steps: int) -> Iterator[None]:
    """A context in which a thread shows the last step of a file of scalars."""
    n_done = max(read_scalars(file), default=-1) + 1
    progress, ended = TrainingProgress(n_done), threading.Event()
    thread = threading.Thread(
        target=_follow, args=(file, n_steps, progress, ended), daemon=True, name="progress"
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        progress.close()


def _follow(file: Path, n_steps: int, progress: TrainingProgress, ended: threading.Event) -> None:
    place = file.stat().st_size if file.is_file() else 0
    last: dict[str, float] = {}
    while not ended.wait(_SECONDS_BETWEEN_LOOKS):
        if not file.is_file():
            continue
        with file.open("rb") as lines:
            lines.seek(place)
            new = lines.read()
        new = new[: new.rfind(b"\n") + 1]
        place += len(new)
        for step, name, value in whole_lines(new.splitlines()):
            last[name] = value
            if name == LOSS:
                text = f"loss {value:.4f}, {last.get(RATE, 0.0):,.0f} samples/s"
                progress.show(step + 1, n_steps, text)
