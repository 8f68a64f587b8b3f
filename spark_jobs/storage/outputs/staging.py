"""Hidden names under which an output is written before it is moved into place."""

import fcntl
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow.fs as pafs

_UNIQUE = r"\.writing-[0-9a-f]{32}"


def staging_name(name: str = "") -> str:
    """A name that no other run has: `.writing-<hex>`, beside a file `.<name>.writing-<hex>`."""
    return f"{f'.{name}' if name else ''}.writing-{uuid.uuid4().hex}"


@contextmanager
def locked(system: pafs.FileSystem, path: str, *, waits: bool = False) -> Iterator[bool]:
    """Hold a file or folder of a local disk while a run writes there; its end, however, frees it.

    Gives whether nobody else holds it; `waits`: until that is so. Elsewhere nothing is held.
    """
    if not isinstance(system, pafs.LocalFileSystem):
        yield True
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield _lock(descriptor, waits)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, waits: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except OSError:  # another run has it, or the disk knows no locks
        return False
    return True


def remove_abandoned(system: pafs.FileSystem, folder: str, name: str = "") -> None:
    """Remove what killed runs have left of writing into a folder, or a file `name` in it.

    Only on a local disk, where it is known that no run is writing it still.
    """
    if not isinstance(system, pafs.LocalFileSystem):
        return
    pattern = re.compile((re.escape(f".{name}") if name else "") + _UNIQUE)
    for left in system.get_file_info(pafs.FileSelector(folder, allow_not_found=True)):
        if pattern.fullmatch(left.base_name):
            _remove_unless_locked(system, left)


def _remove_unless_locked(system: pafs.FileSystem, left: pafs.FileInfo) -> None:
    try:
        with locked(system, left.path) as is_free:
            if is_free and left.type == pafs.FileType.Directory:
                system.delete_dir(left.path)
            elif is_free:
                system.delete_file(left.path)
    except FileNotFoundError:  # another run has just removed it
        return
