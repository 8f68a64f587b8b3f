"""What a training leaves in its folder for the program that started it: results, or a fault."""

import json
from pathlib import Path
from typing import Any

from udfs.file_systems import write_atomically

FAULT = "fault.json"


class TrainingError(Exception):
    """A training that cannot go on; the message is one line for users."""


def noted_fault(folder: str | Path, message: str) -> TrainingError:
    """The error to raise; the folder gets its message, since torchrun tells none."""
    write_json(Path(folder) / FAULT, message)
    return TrainingError(message)


def forget_fault(folder: Path) -> None:
    """Before another try: what it says is of the one before."""
    (folder / FAULT).unlink(missing_ok=True)


def read_fault(folder: Path) -> str | None:
    """Why the last try of a training failed, as far as it could tell."""
    return read_json(folder / FAULT)  # type: ignore[no-any-return]


def write_json(file: Path, value: Any) -> None:
    """Write a file whole or not at all."""
    write_atomically(file, lambda path: Path(path).write_text(json.dumps(value)))


def read_json(file: Path) -> Any:
    """The value of a file; None if there is none."""
    return json.loads(file.read_bytes()) if file.is_file() else None
