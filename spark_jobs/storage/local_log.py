"""Read the log of a Delta table on the driver's own disk, without Spark.

A commit is a file of JSON lines, so its answer takes a millisecond; DESCRIBE HISTORY takes a fifth
of a second, and a Spark session. Whatever is unusual about a log is left to Spark.
"""

import json
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any, Self

from pyspark.sql.types import StructType

from spark_jobs.core.addresses import Address
from udfs.file_systems import plain_path

Action = dict[str, Any]

_COMMIT = re.compile(r"\d{20}\.json")
_CHECKPOINT = re.compile(r"\d{20}\.checkpoint\..*")
_ACTION = re.compile(rb'\{"(\w+)":')
_VERSION_SUFFIX = re.compile(r"@v?\d+$")  # Delta reads `/t@v3` as version 3 of /t
_MAX_COMMITS = 1_000  # that are looked through for what may be anywhere in the log
_MAX_COMMIT_BYTES = 1 << 24
_MAX_CACHED_BYTES = 1 << 16
_CHUNK = 512  # bytes behind each checksum of Hadoop's .crc files
_CRC_HEADER = b"crc\x00" + _CHUNK.to_bytes(4, "big")


class AskSparkError(Exception):
    """The answer needs Spark: the log is on another disk, not plain, damaged or unreadable."""


@dataclass(frozen=True)
class LogFile:
    """The file of a commit, which never changes; `inode` tells a table that was made again."""

    path: str
    version: int
    time_ns: int  # when it was written, since 1970
    size: int
    inode: int

    @property
    def time_ms(self) -> int:
        """When it was written, in ms since 1970."""
        return self.time_ns // 1_000_000

    def actions(self) -> Iterator[tuple[str, Action]]:
        """The commit's actions by name: commitInfo, metaData, add, remove ..."""
        for line in _cached_lines(self) if self.size <= _MAX_CACHED_BYTES else _lines(self):
            name = _ACTION.match(line)
            if name is None:
                raise AskSparkError(self.path)
            yield name[1].decode(), _parsed(line)[name[1].decode()]


@dataclass(frozen=True)
class LocalLog:
    """The log of a table; `files`: its commits without a gap, oldest first, at least one."""

    folder: str
    files: Sequence[LogFile]

    @classmethod
    def of_table(cls, table: Address) -> Self | None:
        """The log of the table at a path of this disk; None if there is no Delta table."""
        if not table.is_path or not plain_path(table.location).startswith("/"):
            raise AskSparkError(table.location)
        path = plain_path(table.location).rstrip("/")
        folder = f"{path}/_delta_log"
        if _VERSION_SUFFIX.search(path) or _is_in_table(path):
            raise AskSparkError(path)
        try:
            files = _log_files(folder)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as fault:
            raise AskSparkError(folder) from fault
        return cls(path, files) if files else None

    def at(self, version: int) -> Self:
        """The log as it was at a version that it has."""
        files = [file for file in self.files if file.version <= version]
        if not files or files[-1].version != version:
            raise AskSparkError(self.folder)
        return replace(self, files=files)

    def last_commits(self, limit: int) -> list[tuple[int, int, Action]]:
        """(version, time in ms, commitInfo) of the last commits, newest first.

        A commit's time is at least 1 ms after the one before it, as in Delta's own history.
        """
        commits: list[tuple[int, int, Action]] = []
        for file in self.files[-limit:]:
            info = next((action for name, action in file.actions() if name == "commitInfo"), None)
            if info is None or "inCommitTimestamp" in info:
                raise AskSparkError(file.path)
            earliest = commits[-1][1] + 1 if commits else 0
            commits.append((file.version, max(file.time_ms, earliest), _as_in_history(info)))
        return commits[::-1]

    def schema(self) -> StructType:
        """The table's columns."""
        for file in self.files[: -_MAX_COMMITS - 1 : -1]:
            for name, action in file.actions():
                if name == "metaData":
                    return _schema(action["schemaString"])
        raise AskSparkError(self.folder)

    def data_files(self) -> list[str]:
        """The paths of the table's parquet files; of a table with all its commits."""
        if self.files[0].version > 0 or len(self.files) > _MAX_COMMITS:
            raise AskSparkError(self.folder)
        paths: dict[str, None] = {}
        for file in self.files:
            for name, action in file.actions():
                if name == "protocol" and action["minReaderVersion"] > 1:
                    raise AskSparkError(file.path)
                if name == "add":
                    paths[_data_file(self.folder, action)] = None
                elif name == "remove":
                    paths.pop(_data_file(self.folder, action), None)
        return list(paths)


def _log_files(folder: str) -> list[LogFile]:
    """The commits of a log folder without a gap, oldest first; [] where it has none."""
    with os.scandir(folder) as entries:
        names = {entry.name: entry for entry in entries}
    if "_commits" in names and os.listdir(names["_commits"].path):
        raise AskSparkError(folder)  # commits that a coordinator has not yet put in place
    files = []
    for name in sorted(filter(_COMMIT.fullmatch, names)):
        stat = names[name].stat()
        files.append(
            LogFile(names[name].path, int(name[:20]), stat.st_mtime_ns, stat.st_size, stat.st_ino)
        )
    has_gap = any(older.version + 1 != newer.version for older, newer in pairwise(files))
    of_checkpoints = [int(name[:20]) for name in filter(_CHECKPOINT.fullmatch, names)]
    if has_gap or max(of_checkpoints, default=-1) > max((f.version for f in files), default=-1):
        raise AskSparkError(folder)
    return files


def _is_in_table(path: str) -> bool:
    """Whether a folder above is a Delta table, which Delta would read in place of the path."""
    parents = (path[: match.start()] for match in re.finditer("/", path))
    return any(os.path.isdir(f"{parent}/_delta_log") for parent in parents)


def _lines(file: LogFile) -> tuple[bytes, ...]:
    if file.size > _MAX_COMMIT_BYTES:
        raise AskSparkError(file.path)
    try:
        content = read_checked(file.path)
    except OSError as fault:
        raise AskSparkError(file.path) from fault
    return tuple(line for line in content.split(b"\n") if line.strip())


_cached_lines = lru_cache(maxsize=1024)(_lines)


def read_checked(path: str) -> bytes:
    """The bytes of a file, compared with the checksums that Hadoop has written beside it, if any.

    Raises AskSparkError where they differ: Spark then says so.
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
        raise AskSparkError(path)
    return content


def _as_in_history(info: Action) -> Action:
    """A commitInfo with the operation's parameters as texts, as DESCRIBE HISTORY has them."""
    parameters = (info.get("operationParameters") or {}).items()
    texts = {k: v if v is None or isinstance(v, str) else json.dumps(v) for k, v in parameters}
    return info | {"operationParameters": texts}


def _parsed(line: bytes) -> Action:
    try:
        parsed = json.loads(line)
    except ValueError as fault:
        raise AskSparkError(line[:80].decode(errors="replace")) from fault
    return dict(parsed)


def _schema(text: str) -> StructType:
    try:
        return StructType.fromJson(json.loads(text))
    except (ValueError, KeyError, TypeError) as fault:  # a type of a newer Spark
        raise AskSparkError(text[:80]) from fault


def _data_file(folder: str, action: Action) -> str:
    """The path of a file in a commit; with escapes or elsewhere it is left to Spark."""
    path = action["path"]
    if not re.fullmatch(r"[\w.-]+", path) or action.get("deletionVector"):
        raise AskSparkError(path)
    return f"{folder}/{path}"
