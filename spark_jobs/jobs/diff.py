"""diff: compare two subsets by concept or class, or two concept banks: sizes, overlap, gaps."""

from collections.abc import Iterator
from typing import Any

from pydantic import Field, PositiveInt
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.comparing.difference import BOTH, ONLY_A, ONLY_B, SIDE, by_column, by_concept, sides
from spark_jobs.core import schemas
from spark_jobs.core.column_values import COMPARABLE_TYPES
from spark_jobs.core.columns import require_column_type, require_columns
from spark_jobs.core.errors import SettingsError
from spark_jobs.core.made_of import Matching
from spark_jobs.core.redaction import redacted
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import ENTRY, ENTRY_ID, IN_A, IN_B, IN_BOTH, NAME, UID, WNID
from spark_jobs.core.settings import BankAddress, InputAddress, OutputAddress, Settings
from spark_jobs.core.unique_keys import refuse_repeated_keys
from spark_jobs.formats.bank_difference import (
    bank_difference,
    bank_lines,
    is_bank,
    is_entry_list,
)
from spark_jobs.formats.entry_counts import read_entry_counts
from spark_jobs.formats.matches import check_bank
from spark_jobs.running.job import Job, Pipeline, Step
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.table_states import input_version, table_state
from spark_jobs.storage.tables import read_table

_WIDEST_NAME = 28
_NEEDED = StructType([schemas.CAPTIONS[UID]])


class Diff(Settings):
    """Settings of diff."""

    a: BankAddress = Field(
        description="table with a uid, such as balanced captions; or a concept bank, also by name"
    )
    b: BankAddress = Field(description="the table, or the bank, to hold beside it")
    matches: InputAddress | None = Field(
        None, description="matches of the captions of both: compare by concept"
    )
    entry_counts: InputAddress | None = Field(
        None, description="a table with entry_id and entry, for the names of the concepts"
    )
    by: str | None = Field(
        None,
        description="compare by this column of both, such as wnid (the default if both have it)",
    )
    top: PositiveInt = Field(
        20, le=1_000_000, description="concepts or classes to show, most different first"
    )
    output: OutputAddress | None = Field(None, description="table of all concepts or classes")


def steps(spark: SparkSession, settings: Diff) -> Iterator[Step]:
    """Write the table, if an output is set."""
    if settings.matches is not None and settings.by is not None:
        raise SettingsError("diff: expected one of matches and by, found both")
    _refuse_captions_settings(spark, settings)
    if settings.output is not None:
        yield Step(_TABLE_JOB, settings)


def answer_lines(spark: SparkSession, settings: Diff) -> list[str]:
    """Sizes, overlap, and the concepts or classes whose shares differ most."""
    if _are_banks(spark, settings):
        banks = bank_difference(spark, settings.a, settings.b)
        names = [redacted(bank) for bank in (settings.a, settings.b)]
        return bank_lines(banks, names, top=settings.top)
    a, b = (_read_table_with_uid(spark, address) for address in (settings.a, settings.b))
    uids_by_side = sides(a, b)
    counts = {row[SIDE]: row["count"] for row in uids_by_side.groupBy(SIDE).count().collect()}
    both, only_a, only_b = (counts.get(side, 0) for side in (BOTH, ONLY_A, ONLY_B))
    size_lines = [
        f"a: {both + only_a:,} uids, {only_a:,} of them only there ({redacted(settings.a)})",
        f"b: {both + only_b:,} uids, {only_b:,} of them only there ({redacted(settings.b)})",
        f"both: {both:,} uids",
    ]
    compared = difference(spark, settings, a, b)
    if compared is None:
        return size_lines
    if settings.matches is not None:
        matches = _read_table_with_uid(spark, settings.matches)
        n_unmatched = count_rows(uids_by_side.join(matches, on=UID, how="left_anti"))
        if n_unmatched:
            size_lines.append(
                f"without a row in {redacted(settings.matches)}: {n_unmatched:,} uids"
            )
    share_a = F.col(IN_A) / max(1, both + only_a)
    share_b = F.col(IN_B) / max(1, both + only_b)
    by_gap = compared.withColumn("gap", share_b - share_a).orderBy(
        F.desc(F.abs("gap")), ENTRY_ID, NAME
    )
    rows = by_gap.limit(settings.top).collect()
    return [*size_lines, *table_lines(rows, both + only_a, both + only_b)]


def table_lines(rows: list[Any], size_a: int, size_b: int) -> list[str]:
    """A table for a terminal, at most 80 columns wide."""
    header = f"{'':<28}{'a':>12}{'b':>12}{'both':>12}{'a':>8}{'b':>8}"
    return [header] + [
        f"{_name(row):<28}{row[IN_A]:>12,}{row[IN_B]:>12,}{row[IN_BOTH]:>12,}"
        f"{row[IN_A] / max(1, size_a):>8.2%}{row[IN_B] / max(1, size_b):>8.2%}"
        for row in rows
    ]


def difference(spark: SparkSession, settings: Diff, a: DataFrame, b: DataFrame) -> DataFrame | None:
    """schemas.DIFFERENCE by concept or column; None where the settings name neither."""
    if settings.matches is not None:
        state = table_state(spark, settings.matches)
        matches = read_table(spark, settings.matches, schemas.MATCHES, version=state.version)
        if not state.made_of.has_unique_keys:
            refuse_repeated_keys(matches, settings.matches)
        entries = _entry_names(spark, settings, state.made_of.matching)
        return by_concept(sides(a, b), matches, entries)
    column = settings.by or (WNID if WNID in a.columns and WNID in b.columns else None)
    if column is None:
        return None
    for frame, address in ((a, settings.a), (b, settings.b)):
        require_columns(frame, f"table {address}", [column])
        require_column_type(frame, f"table {address}", column, COMPARABLE_TYPES, "plain values")
    return by_column(a, b, column=column)


def run(run: Run, settings: Diff) -> Counts:
    """Write the difference of all concepts or classes, or of all entries of banks."""
    if _are_banks(run.spark, settings):
        difference_of_banks = bank_difference(run.spark, settings.a, settings.b)
        return {"rows": run.write(difference_of_banks, settings.output or "")}
    a, b = (_read_table_with_uid(run.spark, address) for address in (settings.a, settings.b))
    compared = difference(run.spark, settings, a, b)
    if compared is None:
        raise SettingsError("diff: an output needs matches, or by, or a column wnid in both")
    rows = run.write(compared.select(*schemas.DIFFERENCE.names), settings.output or "")
    return {"rows": rows}


def _are_banks(spark: SparkSession, settings: Diff) -> bool:
    """Whether a and b are concept banks; SettingsError for a list of entries beside captions."""
    sides = (settings.a, settings.b)
    if all(is_bank(spark, side) for side in sides):
        return True
    lists = [side for side in sides if is_entry_list(side)]
    if lists:
        raise SettingsError(
            f"diff: {redacted(lists[0])} is a concept bank, the other table is none"
        )
    return False


def _refuse_captions_settings(spark: SparkSession, settings: Diff) -> None:
    if _are_banks(spark, settings) and (settings.matches or settings.by or settings.entry_counts):
        raise SettingsError("diff: matches, entry_counts and by are of captions, not of banks")


def _read_table_with_uid(spark: SparkSession, address: str) -> DataFrame:
    return read_table(spark, address, _NEEDED, version=input_version(spark, address))


def _entry_names(
    spark: SparkSession, settings: Diff, matches_made_of: Matching | None
) -> DataFrame:
    """entry_id and entry of entry_counts, which must be of the bank of the matches; else no row."""
    address = settings.entry_counts
    if address is None:
        return spark.createDataFrame([], schemas.ENTRIES)
    state = table_state(spark, address)
    check_bank(address, state.made_of.matching, None, settings.matches or "", matches_made_of)
    return read_entry_counts(spark, address, state.version).select(ENTRY_ID, ENTRY)


def _name(row: Any) -> str:
    name = row[NAME] if row[NAME] is not None else "(none)"
    if row[NAME] is None and row[ENTRY_ID] is not None:
        name = f"entry {row[ENTRY_ID]}"
    return name if len(name) < _WIDEST_NAME else f"{name[: _WIDEST_NAME - 4]}..."


_TABLE_JOB = Job("diff", "Write what two subsets share by concept or class.", Diff, run)

JOB = Pipeline(
    "diff",
    "Compare two subsets or banks: shared rows, and concepts, classes or entries that differ.",
    Diff,
    steps,
    answer_lines=answer_lines,
    arguments=("a", "b"),
    example="captionlake diff ./t20/balanced_captions ./t50/balanced_captions",
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
