"""Read the log of a Delta table on the driver's own disk, without Spark.

That takes a millisecond; DESCRIBE HISTORY takes a fifth of a second, and a Spark session.
"""

import os
import re
import zlib
from functools import lru_cache, partial

from spark_jobs.core.addresses import Address
from spark_jobs.storage.table_log import (
    AskDeltaError,
    CommitFile,
    TableLog,
    has_gap,
    lines_of,
    refuse_versioned,
)
from udfs.file_systems import plain_path

_COMMIT = re.compile(r"\d{20}\.json")
_CHECKPOINT = re.compile(r"\d{20}\.checkpoint\..*")
_MAX_COMMIT_BYTES = 1 << 24
_MAX_CACHED_BYTES = 1 << 16
_CHUNK = 512  # bytes behind each checksum of Hadoop's .crc files
_CRC_HEADER = b"crc\x00" + _CHUNK.to_bytes(4, "big")


def local_log(table: Address) -> TableLog | None:
    """The log of the table at a path of this disk; None if there is no Delta table."""
    if not table.is_path or not plain_path(table.location).startswith("/"):
        raise AskDeltaError(table.location)
    path = plain_path(table.location).rstrip("/")
    folder = f"{path}/_delta_log"
    refuse_versioned(path)
    if _is_in_table(path):
        raise AskDeltaError(path)
    try:
        files = _log_files(folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as fault:
        raise AskDeltaError(folder) from fault
    return TableLog(path, files) if files else None


def _log_files(folder: str) -> list[CommitFile]:
    """The commits of a log folder without a gap, oldest first; [] where it has none."""
    with os.scandir(folder) as entries:
        names = {entry.name: entry for entry in entries}
    if "_commits" in names and os.listdir(names["_commits"].path):
        raise AskDeltaError(folder)  # commits that a coordinator has not yet put in place
    files = [_commit_file(names[name]) for name in sorted(filter(_COMMIT.fullmatch, names))]
    of_checkpoints = [int(name[:20]) for name in filter(_CHECKPOINT.fullmatch, names)]
    last = files[-1].version if files else -1
    if has_gap(files) or max(of_checkpoints, default=-1) > last:
        raise AskDeltaError(folder)
    return files


def _commit_file(entry: os.DirEntry[str]) -> CommitFile:
    stat = entry.stat()
    # The inode tells a table that was made again.
    state = (entry.path, stat.st_size, stat.st_mtime_ns, stat.st_ino)
    read = _cached_lines if stat.st_size <= _MAX_CACHED_BYTES else _lines
    return CommitFile(
        entry.path, int(entry.name[:20]), stat.st_mtime_ns // 1_000_000, partial(read, *state)
    )


def _is_in_table(path: str) -> bool:
    """Whether a folder above is a Delta table, which Delta would read in place of the path."""
    parents = (path[: match.start()] for match in re.finditer("/", path))
    return any(os.path.isdir(f"{parent}/_delta_log") for parent in parents)


def _lines(path: str, size: int, *_: int) -> tuple[bytes, ...]:
    if size > _MAX_COMMIT_BYTES:
        raise AskDeltaError(path)
    try:
        return lines_of(read_checked(path))
    except OSError as fault:
        raise AskDeltaError(path) from fault


_cached_lines = lru_cache(maxsize=1024)(_lines)


def read_checked(path: str) -> bytes:
    """The bytes of a file, compared with the checksums that Hadoop has written beside it, if any.

    Raises AskDeltaError where they differ: Spark then says so.
    """
    with open(path, "rb") as file:
        content = file.read()
    folder, _, name = path.rpartition("/")
    try:
        with open(f"{folder}/.{name}.crc", "rb") as file:
            written = file.read()
    except FileNotFoundError:
        return content
    sums = [
        zlib.crc32(content[start : start + _CHUNK]).to_bytes(4, "big")
        for start in range(0, len(content), _CHUNK)
    ]
    if written != _CRC_HEADER + b"".join(sums):
        raise AskDeltaError(path)
    return content
