"""The tables of a pipeline belong to its run until this has ended, where the disk has locks.

Its steps read what earlier ones wrote, so a second run that replaced a table meanwhile would become
part of the first one's result. A claim is a hidden file beside the table, locked: alone for a table
that the run writes, with others for one that it found up to date. The lock ends with its process,
however that ends. Tables of catalogs and stores are not claimed.
"""

import contextlib
import fcntl
import json
import os
import socket
from datetime import datetime
from typing import Self

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import OutputTableError
from spark_jobs.core.settings import Settings
from spark_jobs.storage.session import reads_local_paths
from udfs.file_systems import plain_path

_SUFFIX = ".captionlake_run"


class Claims:
    """The claims of one run of a pipeline, a context that gives them back at its end."""

    def __init__(self, pipeline: str) -> None:
        self._pipeline = pipeline
        self._descriptors: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._descriptors:
            file, descriptor = self._descriptors.popitem()
            _release(descriptor, file)

    def claim(self, settings: Settings, writes: bool) -> None:
        """Claim the tables of a step.

        `writes`: they are to be written, so that no other run may have claimed them. Raises
        OutputTableError, naming the other run, if one stands in the way.
        """
        if not reads_local_paths():
            return
        for address in (*settings.addresses("output").values(), *settings.further_outputs()):
            table = parse_address(address)
            path = plain_path(table.location).rstrip("/")
            if table.is_path and path.startswith("/"):
                self._claim(path, writes)

    def _claim(self, table: str, writes: bool) -> None:
        folder, _, name = table.rpartition("/")
        file = f"{folder}/.{name}{_SUFFIX}"
        if file not in self._descriptors:
            descriptor = _locked(file, table, fcntl.LOCK_EX if writes else fcntl.LOCK_SH)
            if descriptor is None:
                return
            self._descriptors[file] = descriptor
        elif writes:
            _lock(self._descriptors[file], table, fcntl.LOCK_EX)
        _describe(self._descriptors[file], self._pipeline)


def _locked(file: str, table: str, kind: int) -> int | None:
    """Descriptor of the locked file; None where there can be none, as on a disk without locks."""
    while True:
        try:
            os.makedirs(os.path.dirname(file), exist_ok=True)
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:  # the step itself says why it cannot write there
            return None
        is_locked = False
        try:
            _lock(descriptor, table, kind)
            is_locked = _is_at(descriptor, file)
        except OSError:  # the disk has no locks
            os.unlink(file)
            return None
        finally:
            if not is_locked:
                os.close(descriptor)
        if is_locked:
            return descriptor
        # The run before has just removed the file, so the next one is another.


def _lock(descriptor: int, table: str, kind: int) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _refusal(descriptor, table) from None


def _is_at(descriptor: int, file: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(file))
    except FileNotFoundError:
        return False


def _release(descriptor: int, file: str) -> None:
    """Give the lock back, and remove the file unless others have locked it too."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)  # it describes this run
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(descriptor, file):
            os.unlink(file)
    os.close(descriptor)


def _describe(descriptor: int, pipeline: str) -> None:
    since = datetime.now().isoformat(" ", "seconds")
    run = {"pipeline": pipeline, "process": os.getpid(), "host": socket.gethostname()}
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(run | {"since": since}).encode(), 0)


def _refusal(descriptor: int, table: str) -> OutputTableError:
    try:
        run = json.loads(os.pread(descriptor, 4_096, 0))
        of = f"{run['pipeline']} (process {run['process']} on {run['host']}, since {run['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        of = "another pipeline"  # the run that it described has ended, others read the table
    return OutputTableError(
        f"output {table}: belongs to a run of {of} that has not ended; run again when it has, give "
        "another output, or end that process"
    )
