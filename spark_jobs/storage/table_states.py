"""What stands at an address now: the version of its rows, and what they were made of."""

import hashlib
from collections.abc import Sequence
from functools import partial

from pyspark.sql import SparkSession

from spark_jobs.core.addresses import Address, parse_address
from spark_jobs.core.errors import (
    InputDataError,
)
from spark_jobs.core.made_of import MadeOf, TableState, all_draws
from spark_jobs.storage.catalog_states import catalog_state
from spark_jobs.storage.file_lists import ListedFile, list_files_at
from spark_jobs.storage.history import (
    delta_state,
    run_mark,
)
from spark_jobs.storage.outputs.folder_marks import (
    marks_of_files,
    read_mark,
    visible_files_in,
)
from spark_jobs.storage.outputs.folder_swap import is_being_replaced
from spark_jobs.storage.small_files import NO_CONTENT


def input_version(spark: SparkSession, address: str) -> str:
    """The `version` of `table_state`."""
    return table_state(spark, address).version


def has_same_rows(version: str | None, other: str | None) -> bool:
    """Whether two versions of one table hold the same rows, though it was compacted between."""
    delta = (v.split(":", 2) if v and v.startswith("delta:") else [] for v in (version, other))
    marks = [parts[2:] for parts in delta]
    return version == other or (marks[0] == marks[1] != [])


def table_state(spark: SparkSession, address: str) -> TableState:
    """What stands at an address now, by one look at its history or listing of its files.

    The version is `delta:7:<mark>`, `files:3:<digest of names, sizes and times>`, or that of
    `catalog_states`. Raises InputDataError where nothing stands there.
    """
    table = parse_address(address)
    state = delta_state(spark, table)
    if state is not None:
        return state
    if not table.is_path:
        return catalog_state(spark, table, partial(table_state, spark))
    if _is_unfinished(spark, table):
        raise InputDataError(f"{table}: its first write never ended; run what writes it again")
    if is_being_replaced(table.location):
        raise InputDataError(f"{table}: its last write never ended; run what writes it again")
    return _folder_state(table, input_files(spark, table))


def _folder_state(table: Address, files: Sequence[ListedFile]) -> TableState:
    """What stands in files; a whole folder that a run wrote says what it holds.

    Where its files are others now, or only some are read, nothing is known but the draws.
    """
    version = f"files:{len(files)}:{_digest(_lines(files))}"
    said = read_mark(table.location)
    if said is not None and said.get("files") == visible_files_in(table.location):
        return TableState(version, run_mark(said) or version, MadeOf.from_json(said.get("made_of")))
    marks = [*([said] if said else []), *marks_of_files(file.path for file in files)]
    draws = all_draws(MadeOf.from_json(mark.get("made_of")) for mark in marks)
    return TableState(version, version, MadeOf(draws=draws))


def _is_unfinished(spark: SparkSession, table: Address) -> bool:
    """Whether a first Delta write died before its commit: there is a log folder, but no version.

    To be asked of a path without history.
    """
    try:
        _listing(spark, Address(f"{table.location}/_delta_log", True, None))
    except InputDataError:
        return False
    return True


def input_files(spark: SparkSession, table: Address) -> list[ListedFile]:
    """The files of an input; InputDataError where all are empty."""
    files = list_files_at(spark, table.location)
    if not any(file.size for file in files):
        raise InputDataError(f"{table}: {NO_CONTENT}")
    return files


def _listing(spark: SparkSession, table: Address) -> list[str]:
    """Path, size and time of every file below a path or glob, without reading any."""
    return _lines(list_files_at(spark, table.location))


def _lines(files: Sequence[ListedFile]) -> list[str]:
    return [f"{file.path} {file.size} {file.modified}" for file in files]


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
