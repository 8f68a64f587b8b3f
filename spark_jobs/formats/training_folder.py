"""The folder of a training: its start, checkpoints and result, until its model has been written."""

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.fs as pafs

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import OutputTableError
from spark_jobs.storage.outputs.staging import locked
from udfs.file_systems import plain_path
from udfs.stores import place_of
from udfs.training_progress import has_tensorboard

_log = logging.getLogger(__name__)

_TRAINING = "training"  # .NAME.training, beside the output
_RUN_ID = "run_id"  # file with the run that began the training


@contextmanager
def training_folder(output: str, run_id: str) -> Iterator[tuple[Path, bool]]:
    """(folder, whether this run goes on there); removed at the end, but not after a fault.

    It lies beside the output, where a later try of the same run goes on. An output in a store has a
    folder of this machine's disk, which is removed in any case.
    """
    location = parse_address(output).location
    if place_of(location) is not None:
        with tempfile.TemporaryDirectory(prefix="captionlake-") as folder:
            yield Path(folder), False
        return
    path = _beside(plain_path(location))
    mark = path / _RUN_ID
    try:
        if path.is_symlink() or (path.is_dir() and not mark.is_file() and any(path.iterdir())):
            raise OutputTableError(
                f"output {location}: {path.name} beside it, where training keeps its files, holds "
                "what no run of captionlake wrote; move it"
            )
        path.mkdir(parents=True, exist_ok=True)
        if not mark.is_file():
            mark.write_text("")  # ours, but there is nothing to go on with yet
    except OSError as fault:
        raise OutputTableError(f"output {location}: cannot be written ({fault})") from None
    with locked(pafs.LocalFileSystem(), str(path), without_locks=True) as is_free:
        if not is_free:
            raise OutputTableError(f"output {location}: another program is training there")
        goes_on = mark.is_file() and mark.read_text() == run_id
        if not goes_on:
            _empty(path)
        yield path, goes_on
        _empty(path)
        mark.unlink()
        path.rmdir()


def _beside(output: str) -> Path:
    path = Path(output)
    return path.parent / f".{path.name}.{_TRAINING}"


def mark_as_begun(folder: Path, run_id: str) -> None:
    """Note that all that the training needs is in the folder."""
    (folder / _RUN_ID).write_text(run_id)


def events_folder(output: str) -> str | None:
    """Where TensorBoard's files go, where it is installed and the output lies on a disk."""
    location = parse_address(output).location
    if place_of(location) is not None or not has_tensorboard():
        return None
    folder = f"{plain_path(location).rstrip('/')}_events"
    _log.info("TensorBoard's files: %s", folder)
    return folder


def _empty(path: Path) -> None:
    """Remove what is in the folder but the mark that it is ours, which says no run any more."""
    (path / _RUN_ID).write_text("")
    for entry in (entry for entry in path.iterdir() if entry.name != _RUN_ID):
        is_folder = entry.is_dir() and not entry.is_symlink()
        shutil.rmtree(entry) if is_folder else entry.unlink()
