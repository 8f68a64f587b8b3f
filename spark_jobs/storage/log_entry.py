"""The next commit of a Delta table on a local disk, written without Spark.

A commit is one file of JSON lines, which is in place whole or not at all, and which no other commit
of that version can replace. Tables of whatever kind we do not make are left to Delta.
"""

import json
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from pyspark.sql.types import StructType

from spark_jobs import __version__
from spark_jobs.core.addresses import Address
from spark_jobs.storage.history import log_on_this_disk
from spark_jobs.storage.table_log import Action, AskDeltaError, DataFile, TableLog, actions
from udfs.file_systems import plain_path

_NEW_PROTOCOL = {"minReaderVersion": 1, "minWriterVersion": 2}
_WITH_CHECKS = {"minReaderVersion": 1, "minWriterVersion": 3}
_CHECK_PREFIX = "delta.constraints."
_COMMITS_TO_CHECKPOINT = 20  # Delta writes one with each tenth of its own


@dataclass(frozen=True)
class LocalTable:
    """A table at a path of this disk as the next commit finds it.

    `version`: of its last commit, -1 before the first. `files`: its data files. `log`: None before
    the first commit.
    """

    folder: str
    version: int
    files: Sequence[DataFile]
    log: TableLog | None = None

    @property
    def is_new(self) -> bool:
        """Whether there is no table yet."""
        return self.version < 0

    @property
    def needs_checkpoint(self) -> bool:
        """Whether Delta should write the next commit, since it then writes a checkpoint too.

        Without one, to open the table is to read all commits.
        """
        return self.version > 0 and (self.version + 1) % _COMMITS_TO_CHECKPOINT == 0

    @classmethod
    def at(cls, table: Address, columns: StructType, properties: Mapping[str, str]) -> Self | None:
        """The table at an address; None if it has to be written by Delta.

        So it is unless it has, or is to get, just these columns and properties.
        """
        try:
            log = log_on_this_disk(table)
            if log is None:
                return cls(plain_path(table.location).rstrip("/"), -1, [])
            if not _is_plain(log, columns, properties):
                return None
            return cls(log.folder, log.files[-1].version, log.data_files(), log)
        except AskDeltaError:
            return None

    def has_transaction(self, name: str) -> bool:
        """Whether a commit of the table carries a transaction of that name."""
        return any(
            action_name == "txn" and action["appId"] == name
            for file in (self.log.files if self.log else ())
            for action_name, action in actions(file)
        )

    def commit(
        self,
        files: Sequence[Action],
        columns: StructType,
        properties: Mapping[str, str],
        user_metadata: str,
        metrics: Mapping[str, int],
        *,
        transaction: str | None = None,
    ) -> bool:
        """Commit that the table consists of `files`; False if another commit came first.

        With a transaction's name they are added to the table's files, and the commit carries it.
        `files`: path, size, modificationTime and stats of each.
        """
        replaces = transaction is None
        now_ms = time.time_ns() // 1_000_000
        lines: list[Action] = [
            {
                "commitInfo": {
                    "timestamp": now_ms,
                    "userMetadata": user_metadata,
                    "operation": "WRITE",
                    "operationParameters": {
                        "mode": "Overwrite" if replaces else "Append",
                        "partitionBy": "[]",
                    },
                    **({} if self.is_new else {"readVersion": self.version}),
                    "isolationLevel": "Serializable",
                    "isBlindAppend": not replaces,
                    "operationMetrics": {name: str(value) for name, value in metrics.items()},
                    "engineInfo": f"captionlake/{__version__}",
                    "txnId": str(uuid.uuid4()),
                }
            }
        ]
        if self.is_new:
            lines += _new_table(columns, properties, now_ms)
        if transaction is not None:
            lines.append({"txn": {"appId": transaction, "version": 1, "lastUpdated": now_ms}})
        for file in self.files if replaces else ():
            removed = {"path": os.path.basename(file.path), "deletionTimestamp": now_ms}
            removed |= {"dataChange": True, "extendedFileMetadata": True, "partitionValues": {}}
            lines.append({"remove": removed | {"size": file.size}})
        for action in files:
            lines.append({"add": action | {"partitionValues": {}, "dataChange": True}})
        return self._write("".join(f"{_json(line)}\n" for line in lines))

    def _write(self, content: str) -> bool:
        log = f"{self.folder}/_delta_log"
        temporary = f"{log}/.{uuid.uuid4().hex}.tmp"
        try:
            with open(temporary, "x", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, f"{log}/{self.version + 1:020d}.json")  # refuses what is there
        except FileExistsError:
            return False
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        return True


def has_links(folder: str) -> bool:
    """Whether the disk of a folder has hard links, by which a commit replaces no other one."""
    name = f"{folder}/.{uuid.uuid4().hex}"
    try:
        with open(f"{name}.tmp", "x"):
            os.link(f"{name}.tmp", f"{name}.link")
    except OSError:
        return False
    finally:
        for suffix in ("tmp", "link"):
            with suppress(FileNotFoundError):
                os.unlink(f"{name}.{suffix}")
    return True


def _new_table(columns: StructType, properties: Mapping[str, str], now_ms: int) -> list[Action]:
    has_checks = any(name.startswith(_CHECK_PREFIX) for name in properties)
    meta_data = {
        "id": str(uuid.uuid4()),
        "format": {"provider": "parquet", "options": {}},
        "schemaString": nullable(columns).json(),
        "partitionColumns": [],
        "configuration": dict(properties),
        "createdTime": now_ms,
    }
    return [{"protocol": _WITH_CHECKS if has_checks else _NEW_PROTOCOL}, {"metaData": meta_data}]


def nullable(columns: StructType) -> StructType:
    """The columns as Delta has them in a table that Spark makes of a frame: all may be null."""

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            all_nullable = dict.fromkeys(value.keys() & _NULLABLE, True)
            return {name: changed(each) for name, each in value.items()} | all_nullable
        return [changed(each) for each in value] if isinstance(value, list) else value

    return StructType.fromJson(changed(columns.jsonValue()))


_NULLABLE = {"nullable", "containsNull", "valueContainsNull"}


def _is_plain(log: TableLog, columns: StructType, properties: Mapping[str, str]) -> bool:
    protocol, meta_data = _last(log, "protocol"), _last(log, "metaData")
    has_checks = any(name.startswith(_CHECK_PREFIX) for name in properties)
    return (
        protocol == (_WITH_CHECKS if has_checks else _NEW_PROTOCOL)
        and meta_data.get("configuration") == dict(properties)
        and not meta_data.get("partitionColumns")
        and json.loads(meta_data["schemaString"]) == nullable(columns).jsonValue()
    )


def _last(log: TableLog, wanted: str) -> Action:
    for file in reversed(log.files):
        for name, action in actions(file):
            if name == wanted:
                return action
    raise AskDeltaError(log.folder)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
