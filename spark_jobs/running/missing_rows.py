"""Bring an output up to date with a table in several commits; a later run resumes after the last.

Each row of the output is made of one row of the table: of its item, which a hash tells.
"""

import logging
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TypeAlias

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.columns import named
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import ITEM_HASH
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.conflicts import MOST_TRIES, concurrent_write_error
from spark_jobs.storage.extending import AppendPoint
from spark_jobs.storage.run import Run
from spark_jobs.storage.tables import read_table

_log = logging.getLogger(__name__)
# Rows of a part that are missing -> rows of the output.
Make: TypeAlias = Callable[[DataFrame], DataFrame]


@dataclass(frozen=True)
class Output:
    """What an output shall have of each wanted row.

    `address`, `schema`: of the output, which has the key and item_hash too. `is_current`: whether
    a stored row was made as this run makes it. `is_first`: holds for one of the rows that are made
    of the same wanted row; None where there is but one. `commits`: parts, of `rows_per_commit` rows
    at least. `prepare`: (missing rows, their number, parts) -> how rows are made.
    """

    address: str
    schema: StructType
    is_current: Column
    commits: int
    rows_per_commit: int
    prepare: Callable[[DataFrame, int, int], Make]
    is_first: Column | None = None

    def n_made(self, stored: DataFrame) -> int:
        """Of how many wanted rows the stored rows are made."""
        return count_rows(stored if self.is_first is None else stored.where(self.is_first))


def make_missing_rows(
    run: Run, table: DataFrame, wanted: DataFrame, key: Sequence[str], output: Output, source: str
) -> tuple[int, int]:
    """Make what the output lacks, delete what is no longer wanted; (wanted rows, those made now).

    `table`: as it was read from `source`. `wanted`: its keys, items and item_hash, one row a key. A
    stored row is kept if key, item and `is_current` hold. If another run writes to the same output
    meanwhile, this one continues from the new state.
    """
    n_wanted = count_rows(wanted)
    work = _Work(run, wanted, n_wanted, tuple(key), output)
    n_made = conflicts = 0  # conflicts: lost to other runs in a row
    with batches_that_fit(table):
        while True:
            n_rows, is_done = _make_missing(work)
            n_made += n_rows
            conflicts = 1 if n_rows else conflicts + 1
            if is_done:
                break
            if conflicts == MOST_TRIES:
                raise concurrent_write_error(parse_address(output.address))
            _log.warning(
                "%s: another run writes to it too; going on from what is there", output.address
            )
    n_stored = output.n_made(run.read(output.address, output.schema))
    if n_stored != n_wanted:
        raise InputDataError(
            f"output {output.address}: has {n_stored:,} rows of the {n_wanted:,} of {source}; "
            "remove it to make all again"
        )
    return n_wanted, n_made


@dataclass(frozen=True)
class _Work:
    """The work of one run: `output` shall have rows of each of the rows `wanted`."""

    run: Run
    wanted: DataFrame
    n_wanted: int
    key: tuple[str, ...]
    output: Output

    def join_same_items(self, rows: DataFrame, others: DataFrame, *, how: str) -> DataFrame:
        """Join rows of equal key and item hash, nulls equal; `how`: left_semi or left_anti."""
        by = [*self.key, ITEM_HASH]
        renamed = others.select(*(named(name).alias(f"_{name}") for name in by))
        is_same = (named(name).eqNullSafe(named(f"_{name}")) for name in by)
        return rows.join(renamed, on=reduce(operator.and_, is_same), how=how)


def _make_missing(work: _Work) -> tuple[int, bool]:
    """(wanted rows made, is the output complete); incomplete if another run wrote meanwhile."""
    run, output = work.run, work.output
    append_point, n_kept = _delete_outdated(work)
    if append_point is None:
        return 0, False
    missing, n_missing = work.wanted, work.n_wanted - n_kept
    if n_kept:
        stored = _stored(work, append_point)
        missing = work.join_same_items(missing, stored, how="left_anti")
    n_parts = max(1, min(output.commits, n_missing // output.rows_per_commit))
    make = output.prepare(missing, n_missing, n_parts)
    part_number = F.pmod(F.xxhash64(ITEM_HASH), F.lit(n_parts))
    for part in range(n_parts):
        rows = make(missing.where(part_number == part))
        committed = run.commit_part(rows, output.address, append_point, is_last=part == n_parts - 1)
        if committed is None:
            return count_rows(missing.where(part_number < part)) if part else 0, False
        append_point = committed
    return n_missing, True


def _delete_outdated(work: _Work) -> tuple[AppendPoint | None, int]:
    """Delete the output's rows that are not wanted; (where to append, wanted rows that it has).

    The first is None if another run wrote to the output meanwhile.
    """
    run, output = work.run, work.output
    append_point = run.append_point(output.address)
    if append_point.version is None:
        return append_point, 0
    stored = _stored(work, append_point)
    kept = work.join_same_items(stored.where(output.is_current), work.wanted, how="left_semi")
    n_rows = count_rows(kept)
    n_kept = n_rows if output.is_first is None else output.n_made(kept)
    if n_rows == count_rows(stored):
        return append_point, n_kept
    kept = kept.select(*stored.columns)
    return run.commit_part(kept, output.address, append_point, replace=True), n_kept


def _stored(work: _Work, point: AppendPoint) -> DataFrame:
    address = work.output.address
    return read_table(work.run.spark, address, work.output.schema, version=point.version)
