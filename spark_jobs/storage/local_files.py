"""List the files that Spark would read on the driver's own disk, without Spark."""

import os
import re
import stat
from collections.abc import Iterator

from spark_jobs.storage.hidden_files import is_hidden
from udfs.file_systems import plain_path

# Of other names it depends on Spark's escapes, globs and rules how they are listed.
_PLAIN_PATH = re.compile(r"(/[A-Za-z0-9_=+,-][A-Za-z0-9._=+,-]*)+")
_UNUSUAL_ENDINGS = ("._COPYING_",)
_UNUSUAL_BEGINNINGS = ("_metadata", "_common_metadata")  # files that Spark lists although hidden


def plain_files_at(location: str) -> list[tuple[str, str, int, str]] | None:
    """Path, URI, bytes and time of the files of a folder, or of a file, sorted by path.

    As `file_lists.ListedFile` has them. None where it takes Spark to say what is read, since names,
    links or files are not plain. Raises FileNotFoundError if nothing is there.
    """
    path = plain_path(location)
    if _PLAIN_PATH.fullmatch(path) and not os.path.lexists(path):
        raise FileNotFoundError(path)
    try:
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)
        files = list(_plain_files(path) if is_folder else [(path, os.stat(path))])
    except (OSError, _NotPlainError):
        return None
    if not all(_PLAIN_PATH.fullmatch(file) and stat.S_ISREG(s.st_mode) for file, s in files):
        return None
    if not is_folder and is_hidden(os.path.basename(path)):
        return None
    return sorted((f"file:{file}", _uri(file, s), s.st_size, _modified(s)) for file, s in files)


class _NotPlainError(Exception):
    """A folder has something of which only Spark knows whether it is read."""


def _plain_files(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """The visible files of a folder and of its folders, with what stat says of them."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(_UNUSUAL_BEGINNINGS) or entry.name.endswith(_UNUSUAL_ENDINGS):
                raise _NotPlainError
            if is_hidden(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _plain_files(entry.path)
            elif entry.is_symlink() and entry.is_dir():
                raise _NotPlainError
            else:
                yield entry.path, entry.stat()


def _uri(path: str, status: os.stat_result) -> str:
    """As Spark writes it: it lists empty files in another way."""
    return f"file:{path}" if status.st_size else f"file://{path}"


def _modified(status: os.stat_result) -> str:
    """Microseconds since 1970 of the millisecond in which the file was written; "" if empty."""
    return str(status.st_mtime_ns // 1_000_000 * 1_000) if status.st_size else ""
