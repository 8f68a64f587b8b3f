"""maintain: compact the tables of a workspace and remove files that no run needs any more."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from pyspark.sql import SparkSession

from spark_jobs.core.addresses import Address, join_address, parse_address, place_of_address
from spark_jobs.core.count_words import bytes_text
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.redaction import redacted
from spark_jobs.core.run_records import RunRecord
from spark_jobs.core.settings import InputAddresses, Settings, TablesFolder, require_one_or_both
from spark_jobs.running.job import Pipeline
from spark_jobs.running.needed_versions import needed_versions, output_locations
from spark_jobs.running.run_rows import recorded_runs
from spark_jobs.storage import upkeep
from spark_jobs.storage.history import delta_schema, read_commits_until
from spark_jobs.storage.outputs.writers import WRITER, unguarded
from spark_jobs.storage.platforms import is_databricks
from spark_jobs.storage.tables import has_table

_OF_WORKSPACE = ("runs", "rejected", "decisions")


class Maintain(Settings):
    """Settings of maintain."""

    run: TablesFolder | None = Field(
        None, description="folder or catalog.schema with the table runs: all tables of its runs"
    )
    tables: InputAddresses | None = Field(
        None, description="only these Delta tables; default: all that the runs have written"
    )
    read_by: list[TablesFolder] = Field(
        [], description="further folders with a table runs, whose runs read these tables"
    )
    optimize: bool = Field(True, description="compact tables of small files (OPTIMIZE)")
    small_file_mb: PositiveInt = Field(
        32, le=1_024, description="files are small if they have fewer MiB than this on average"
    )
    order_by: str | None = Field(
        None,
        description="order the rows of tables of 1 GiB and more by this column, such as uid, which "
        "rewrites them (OPTIMIZE ZORDER BY)",
    )
    vacuum: bool = Field(True, description="remove files of old versions (VACUUM)")
    retention_hours: NonNegativeInt = Field(
        168, le=1_000_000, description="files stay for as many hours after they left the table"
    )
    keep_runs: PositiveInt = Field(
        1,
        le=1_000_000,
        description="the newest runs of each table whose versions, and those of their inputs, stay "
        "readable, for report and explain",
    )
    dry_run: bool = Field(False, description="only say what would be done")

    @model_validator(mode="after")
    def _has_tables(self) -> Self:
        require_one_or_both({"run": self.run, "tables": self.tables})
        return self

    def workspace_address(self) -> str:
        """Where the table runs is; by default where the first of the tables lies."""
        given = self.run or self.workspace
        return given or parse_address((self.tables or [""])[0]).parent()


@dataclass(frozen=True)
class _Done:
    """What was done, or would be, with a table.

    `removed`: files; None where Databricks lists only some. `removed_bytes`: None if not told.
    """

    before: upkeep.TableFiles
    after: upkeep.TableFiles
    optimized: bool
    retention: upkeep.Retention
    removed: int | None = 0
    removed_bytes: int | None = None


def answer_lines(spark: SparkSession, settings: Maintain) -> list[str]:
    """Maintain each table, and say what was done, a line per table and one for all."""
    records = list(_records(spark, settings))
    tables = _tables(spark, settings, records)
    if not settings.dry_run:
        WRITER.claim(unguarded(spark, (table.parent() for table in tables)))
    needed = [needed_versions(of_workspace, settings.keep_runs) for of_workspace in records]
    lines, done = [], []
    for table in tables:
        place = place_of_address(redacted(table.location))
        versions = {version for of_place in needed for version in of_place.get(place, ())}
        done.append(_maintain(spark, table, settings, versions))
        lines.append(f"{redacted(str(table))}: {_line(done[-1], settings)}")
    return [*lines, _total(done, settings)]


def _records(spark: SparkSession, settings: Maintain) -> Iterator[list[RunRecord]]:
    """The runs of each workspace; none where only tables are given and it has no table runs."""
    workspace = settings.workspace_address()
    if settings.run is not None or has_table(spark, join_address(workspace, "runs")):
        yield recorded_runs(spark, workspace)
    for reader in settings.read_by:
        yield recorded_runs(spark, reader)


def _tables(
    spark: SparkSession, settings: Maintain, records: Sequence[Sequence[RunRecord]]
) -> list[Address]:
    """The Delta tables to maintain; InputDataError for a given address without one."""
    if settings.tables is not None:
        given = [parse_address(address) for address in settings.tables]
        for table in given:
            if delta_schema(spark, table) is None:
                raise InputDataError(f"{table}: there is no Delta table")
        return given
    workspace = settings.workspace_address()
    own = [join_address(workspace, name) for name in _OF_WORKSPACE]
    candidates = [parse_address(place) for place in [*output_locations(records[0]), *own]]
    return [table for table in candidates if delta_schema(spark, table) is not None]


def _maintain(spark: SparkSession, table: Address, settings: Maintain, versions: set[str]) -> _Done:
    before = upkeep.table_files(spark, table)
    order_by = _order_by(spark, table, settings, before)
    small = settings.small_file_mb << 20
    optimizes = settings.optimize and upkeep.may_be_compacted(before, small)
    if (optimizes or order_by) and not settings.dry_run:
        upkeep.optimize(spark, table, order_by)
    after = before if settings.dry_run else upkeep.table_files(spark, table)
    hours = settings.retention_hours
    if not settings.vacuum:
        return _Done(before, after, optimizes or order_by is not None, upkeep.Retention(hours))
    kept = upkeep.retention(spark, table, versions, hours)
    listed = upkeep.removable_files(spark, table, kept.hours)
    removes = listed and not settings.dry_run
    removed, removed_bytes = upkeep.vacuum(spark, table, kept.hours) if removes else (None, None)
    if removed is None and not (is_databricks() and listed == upkeep.LISTED_FILES):
        removed = listed
    is_optimized = optimizes or order_by is not None
    return _Done(before, after, is_optimized, kept, removed, removed_bytes)


def _order_by(
    spark: SparkSession, table: Address, settings: Maintain, now: upkeep.TableFiles
) -> str | None:
    """The column to order the table by; None if it lacks the column, or is ordered already."""
    column = settings.order_by
    schema = delta_schema(spark, table)
    if column is None or schema is None or column not in schema.names:
        return None
    commits = read_commits_until(spark, table, lambda commit: commit.changes_rows)
    return column if upkeep.may_be_ordered(now, commits, column) else None


def _line(done: _Done, settings: Maintain) -> str:
    parts = [_files(done.before)]
    if done.optimized and settings.dry_run:
        parts = [f"{parts[0]}, would become about {done.before.fewest_files:,}"]
    elif done.optimized:
        parts = [f"{parts[0]} -> {_files(done.after)}"]
    if settings.vacuum:
        size = "" if done.removed_bytes is None else f" ({bytes_text(done.removed_bytes)})"
        verb = "would remove" if settings.dry_run else "removed"
        parts.append(f"{verb} {_number([done])}{size}")
    if done.retention.version is not None:
        parts.append(f"kept from version {done.retention.version} on, which a run needs")
    return "; ".join(parts)


def _files(files: upkeep.TableFiles) -> str:
    return f"{files.files:,} files, {bytes_text(files.bytes)}"


def _total(done: Sequence[_Done], settings: Maintain) -> str:
    removed = _number(done)
    if settings.dry_run:
        return f"{len(done)} tables; {removed} files would be removed; nothing was changed"
    before, after = (sum(t.files for t in side) for side in _sides(done))
    return f"{len(done)} tables; {before:,} files -> {after:,}; removed {removed}"


def _number(done: Sequence[_Done]) -> str:
    """The number of files removed, or the least that it can be."""
    numbers = [table.removed for table in done]
    least = sum(upkeep.LISTED_FILES if number is None else number for number in numbers)
    return f"{'at least ' if None in numbers else ''}{least:,}"


def _sides(done: Sequence[_Done]) -> tuple[list[upkeep.TableFiles], list[upkeep.TableFiles]]:
    return [table.before for table in done], [table.after for table in done]


JOB = Pipeline(
    "maintain",
    "Compact the tables of a workspace, and remove files that no run needs.",
    Maintain,
    answer_lines=answer_lines,
    arguments=("run",),
    example="captionlake maintain ./curated --dry-run",
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
