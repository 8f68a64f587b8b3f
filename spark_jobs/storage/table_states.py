"""The current state of the table or files at an address: version and provenance of its rows."""

import hashlib
from collections.abc import Sequence
from functools import partial

from pyspark.sql import SparkSession

from spark_jobs.core.addresses import Address, parse_address
from spark_jobs.core.bank_names import missing_bank_hint
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.made_of import MadeOf, TableState, all_draws
from spark_jobs.storage.catalog_states import catalog_state
from spark_jobs.storage.file_lists import ListedFile, list_files_at
from spark_jobs.storage.hidden_files import HIDDEN, hidden_files
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
    """The current version of an input: that of `table_state`."""
    return table_state(spark, address).version


def bank_state(spark: SparkSession, address: str) -> TableState:
    """`table_state` of a bank's table, file or folder; the error lists the banks with names."""
    try:
        return table_state(spark, address)
    except InputDataError as fault:
        raise InputDataError(f"{fault}{missing_bank_hint(address)}") from None


def has_same_rows(version: str | None, other: str | None) -> bool:
    """Whether two versions of one table have the same rows, e.g. before and after OPTIMIZE."""
    return version == other or (_delta_mark(version) == _delta_mark(other) != [])


def _delta_mark(version: str | None) -> list[str]:
    """[mark] of a version `delta:<number>:<mark>`; [] for any other."""
    return version.split(":", 2)[2:] if version and version.startswith("delta:") else []


def table_state(spark: SparkSession, address: str) -> TableState:
    """The state of a table or files, from its history or from a listing of its files.

    The version is `delta:7:<mark>`, `files:3:<digest of names, sizes and times>`, or that of
    `catalog_states`. Raises InputDataError if nothing is there or the last write did not finish.
    """
    table = parse_address(address)
    state = delta_state(spark, table)
    if state is not None:
        return state
    if not table.is_path:
        return catalog_state(spark, table, partial(table_state, spark))
    if _has_unfinished_first_write(spark, table):
        raise InputDataError(f"{table}: its first write never ended; run what writes it again")
    if is_being_replaced(table.location):
        raise InputDataError(f"{table}: its last write never ended; run what writes it again")
    return _folder_state(table, input_files(spark, table))


def _folder_state(table: Address, files: Sequence[ListedFile]) -> TableState:
    """The state of files, with the provenance from the folder's mark if a run wrote them all.

    If files have changed since, or only some of them are read, only the draws are kept.
    """
    version = f"files:{len(files)}:{_digest(files)}"
    mark = read_mark(table.location)
    if mark is not None and mark.get("files") == visible_files_in(table.location):
        return TableState(version, run_mark(mark) or version, MadeOf.from_json(mark.get("made_of")))
    marks = [*([mark] if mark else []), *marks_of_files(file.path for file in files)]
    draws = all_draws(MadeOf.from_json(mark.get("made_of")) for mark in marks)
    return TableState(version, version, MadeOf(draws=draws))


def _has_unfinished_first_write(spark: SparkSession, table: Address) -> bool:
    """Whether a path without Delta history has a log folder, left by a crashed first write."""
    try:
        list_files_at(spark, f"{table.location}/_delta_log")
    except InputDataError:
        return False
    return True


def input_files(spark: SparkSession, table: Address) -> list[ListedFile]:
    """List the files of an input; InputDataError if all are empty, or one of parquet is."""
    files = list_files_at(spark, table.location)
    if not any(file.size for file in files):
        hidden = hidden_files(table.location)
        why = f" that Spark reads: {HIDDEN}; rename {hidden[0]}" if hidden else ""
        raise InputDataError(f"{table}: {NO_CONTENT}{why}")
    cut_off = [file for file in files if not file.size and ".parquet" in file.name]
    if cut_off:  # Spark passes over it without a word
        raise InputDataError(
            f"file {cut_off[0].path}: is empty, expected parquet; its writer was cut off: write it "
            "again, or remove it"
        )
    return files


def _digest(files: Sequence[ListedFile]) -> str:
    """Digest of the paths, sizes and times of files."""
    lines = [f"{file.path} {file.size} {file.modified}" for file in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
