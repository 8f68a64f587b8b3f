"""Staging: hidden names for outputs being written, locks on them, and removal of abandoned ones."""

import fcntl
import hashlib
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow.fs as pafs

_UNIQUE = r"\.writing-[0-9a-f]{32}"


def staging_name(name: str = "") -> str:
    """A unique name: `.writing-<hex>` for a folder, `.<name>.writing-<hex>` for a file."""
    return f"{f'.{name}' if name else ''}.writing-{uuid.uuid4().hex}"


def staging_name_of_run(run_id: str) -> str:
    """The name of a folder in which a run finds what it wrote before it was interrupted."""
    return f".writing-{hashlib.sha256(run_id.encode()).hexdigest()[:32]}"


@contextmanager
def locked(
    system: pafs.FileSystem, path: str, *, waits: bool = False, without_locks: bool = False
) -> Iterator[bool]:
    """Lock a file or folder on a local disk; the lock ends with the process at the latest.

    Yields whether it got the lock; `waits`: wait until another process releases it;
    `without_locks`: what to yield on a disk that has none, as some of clusters. In stores it locks
    nothing and yields True.
    """
    if not isinstance(system, pafs.LocalFileSystem):
        yield True
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield _lock(descriptor, waits, without_locks)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, waits: bool, without_locks: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except BlockingIOError:  # another run has the lock
        return False
    except OSError:  # the file system has no locks
        return without_locks
    return True


def remove_abandoned(system: pafs.FileSystem, folder: str, name: str = "") -> None:
    """Remove staged outputs of killed runs from a folder: staging folders, or those of file `name`.

    Only on a local disk, where locks show that no run is still writing them.
    """
    if not isinstance(system, pafs.LocalFileSystem):
        return
    pattern = re.compile((re.escape(f".{name}") if name else "") + _UNIQUE)
    for entry in system.get_file_info(pafs.FileSelector(folder, allow_not_found=True)):
        if pattern.fullmatch(entry.base_name):
            _remove_unless_locked(system, entry)


def _remove_unless_locked(system: pafs.FileSystem, entry: pafs.FileInfo) -> None:
    try:
        with locked(system, entry.path) as is_free:
            if is_free and entry.type == pafs.FileType.Directory:
                system.delete_dir(entry.path)
            elif is_free:
                system.delete_file(entry.path)
    except FileNotFoundError:  # another run has just removed it
        return
