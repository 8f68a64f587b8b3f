"""The log of a Delta table as its commits, whoever has read their files.

A commit is a file of JSON lines, which tell all that DESCRIBE HISTORY does. Whatever is unusual
about a log is left to Delta.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self

from pyspark.sql.types import StructType

Action = dict[str, Any]

_VERSION_SUFFIX = re.compile(r"@v?\d+$")  # Delta reads `/t@v3` as version 3 of /t
_ACTION = re.compile(rb'\{"(\w+)":')
_MAX_COMMITS = 1_000  # that are looked through for what may be anywhere in the log


class AskDeltaError(Exception):
    """The answer needs Delta: the log lies elsewhere, is not plain, damaged or unreadable."""


@dataclass(frozen=True)
class CommitFile:
    """The file of a commit, which never changes.

    `time_ms`: when it was written, since 1970. `lines`: reads it, one line for each action.
    """

    path: str
    version: int
    time_ms: int
    lines: Callable[[], Sequence[bytes]]


@dataclass(frozen=True)
class DataFile:
    """A parquet file of a table; `size`: bytes."""

    path: str
    size: int


@dataclass(frozen=True)
class TableLog:
    """The log of a table; `files`: its commits without a gap, oldest first, at least one.

    `folder`: the table's, as the paths of its data files begin.
    """

    folder: str
    files: Sequence[CommitFile]

    def at(self, version: int) -> Self:
        """The log as it was at a version that it has."""
        files = [file for file in self.files if file.version <= version]
        if not files or files[-1].version != version:
            raise AskDeltaError(self.folder)
        return replace(self, files=files)

    def last_commits(self, limit: int) -> list[tuple[int, int, Action]]:
        """(version, time in ms, commitInfo) of the last commits, newest first.

        A commit's time is at least 1 ms after the one before it, as in Delta's own history.
        """
        commits: list[tuple[int, int, Action]] = []
        for file in self.files[-limit:]:
            info = next((action for name, action in actions(file) if name == "commitInfo"), None)
            if info is None or "inCommitTimestamp" in info:
                raise AskDeltaError(file.path)
            earliest = commits[-1][1] + 1 if commits else 0
            commits.append((file.version, max(file.time_ms, earliest), _as_in_history(info)))
        return commits[::-1]

    def schema(self) -> StructType:
        """The table's columns."""
        for file in self.files[: -_MAX_COMMITS - 1 : -1]:
            for name, action in actions(file):
                if name == "metaData":
                    return _schema(action["schemaString"])
        raise AskDeltaError(self.folder)

    def data_files(self) -> list[DataFile]:
        """The table's parquet files; of a table with all its commits."""
        if self.files[0].version > 0 or len(self.files) > _MAX_COMMITS:
            raise AskDeltaError(self.folder)
        files: dict[str, DataFile] = {}
        for file in self.files:
            for name, action in actions(file):
                if name == "protocol" and action["minReaderVersion"] > 1:
                    raise AskDeltaError(file.path)
                if name == "add":
                    path = _data_file(self.folder, action)
                    files[path] = DataFile(path, action["size"])
                elif name == "remove":
                    files.pop(_data_file(self.folder, action), None)
        return list(files.values())


def actions(file: CommitFile) -> Iterator[tuple[str, Action]]:
    """The commit's actions by name: commitInfo, metaData, add, remove ..."""
    for line in file.lines():
        name = _ACTION.match(line)
        if name is None:
            raise AskDeltaError(file.path)
        yield name[1].decode(), _parsed(line)[name[1].decode()]


def lines_of(content: bytes) -> tuple[bytes, ...]:
    """The lines of a commit's file."""
    return tuple(line for line in content.split(b"\n") if line.strip())


def refuse_versioned(path: str) -> None:
    """Raise AskDeltaError for a path that Delta takes for a version of a table."""
    if _VERSION_SUFFIX.search(path):
        raise AskDeltaError(path)


def has_gap(files: Sequence[CommitFile]) -> bool:
    """Whether a version between the first and the last is absent."""
    return any(older.version + 1 != newer.version for older, newer in pairwise(files))


def _as_in_history(info: Action) -> Action:
    """A commitInfo with the operation's parameters as texts, as DESCRIBE HISTORY has them."""
    parameters = (info.get("operationParameters") or {}).items()
    texts = {k: v if v is None or isinstance(v, str) else json.dumps(v) for k, v in parameters}
    return info | {"operationParameters": texts}


def _parsed(line: bytes) -> Action:
    try:
        parsed = json.loads(line)
    except ValueError as fault:
        raise AskDeltaError(line[:80].decode(errors="replace")) from fault
    return dict(parsed)


def _schema(text: str) -> StructType:
    try:
        return StructType.fromJson(json.loads(text))
    except (ValueError, KeyError, TypeError) as fault:  # a type of a newer Spark
        raise AskDeltaError(text[:80]) from fault


def _data_file(folder: str, action: Action) -> str:
    """The path of a file in a commit; with escapes or elsewhere it is left to Delta."""
    path = action["path"]
    if not re.fullmatch(r"[\w.-]+", path) or action.get("deletionVector"):
        raise AskDeltaError(path)
    return f"{folder}/{path}"
