"""Open whatever stands at an address, to look at it: a Delta table in any version, or files."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StringType

from spark_jobs.core import schemas
from spark_jobs.core.addresses import Address, parse_address
from spark_jobs.core.errors import InputDataError, SettingsError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.unions import union_all
from spark_jobs.formats.caption_files import read_caption_files, select_caption_files
from spark_jobs.ingest.common_types import common_type, conform
from spark_jobs.ingest.source import FAULT, Part, Source
from spark_jobs.storage.file_lists import ListedFile, list_files_at
from spark_jobs.storage.history import PART_SUFFIX, Commit, read_commits
from spark_jobs.storage.table_states import table_state
from spark_jobs.storage.tables import read_table

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenedTable:
    """Rows at an address, and a line that says of what kind and version they are.

    `records`: the column FAULT of all records of text files; those that have one are not among the
    rows. None for what has no such records. `address`: for messages.
    """

    rows: DataFrame
    kind: str
    address: str
    records: DataFrame | None = None

    def count(self) -> int:
        """The number of rows, by one pass, which also counts and warns of unreadable records."""
        if self.records is None:
            return count_rows(self.rows)
        counts = self.records.agg(F.count("*").alias("all"), F.count(FAULT).alias("faulty"))
        ((n_records, n_unreadable),) = counts.collect()
        if n_unreadable:
            _log.warning(
                "%s: %s records cannot be read and are left out; ingest-captions puts them into "
                "its table rejected, with the reason",
                *(self.address, f"{n_unreadable:,}"),
            )
        return int(n_records - n_unreadable)


def open_table(spark: SparkSession, address: str, version: int | None) -> OpenedTable:
    """Open a Delta table at a version, by default the newest; or files, a view, another table.

    Raises InputDataError if nothing is there, SettingsError for a version of what has none.
    """
    table = parse_address(address)
    newest = next(iter(read_commits(spark, table, 1)), None)
    if newest is not None:
        return _open_delta(spark, table, newest, newest.version if version is None else version)
    if version is not None:
        raise SettingsError(f"{table}: is no Delta table, so it has no version {version}")
    table_state(spark, address)  # raises if nothing is there, or if its last write never ended
    if not table.is_path:
        rows = read_table(spark, address, schemas.EMPTY)
        return OpenedTable(rows, "of the catalog", str(table))
    return _open_files(spark, table)


def _open_delta(spark: SparkSession, table: Address, newest: Commit, version: int) -> OpenedTable:
    if not 0 <= version <= newest.version:
        raise SettingsError(
            f"{table}: has the versions 0 to {newest.version}, there is no version {version}"
        )
    commits = read_commits(spark, table, newest.version - version + 1)
    commit = commits[-1]
    if commit.version != version:
        raise InputDataError(f"{table}: version {version} is not in its log any more")
    rows = read_table(spark, str(table), schemas.EMPTY, version=f"delta:{version}:")
    of_all = "" if version == newest.version else f" (the newest is {newest.version})"
    time = datetime.fromtimestamp(commit.time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    kind = f"Delta, version {version}{of_all}, {time}, {_author(commit)}"
    return OpenedTable(rows, kind, str(table))


def _author(commit: Commit) -> str:
    """What made a commit: the job of a run, or Delta's name of another program's operation."""
    if commit.run_id is None:
        return f"by {commit.operation} of another program"
    unfinished = "an unfinished run of " if commit.run_id.endswith(PART_SUFFIX) else ""
    return f"by {unfinished}{commit.metadata.get('job')}"


def _open_files(spark: SparkSession, table: Address) -> OpenedTable:
    files = _input_files(spark, table)
    try:
        format_, files, notes = select_caption_files(files, None, None)
    except SettingsError as fault:
        raise InputDataError(f"{table}: {fault}") from None
    source = read_caption_files(spark, files, table.location, format_, None, lambda *_: {})
    for note in [*notes, *source.notes]:
        _log.warning("%s: %s", table, note)
    n_files = f"{len(files)} file{'' if len(files) == 1 else 's'}"
    records = union_all([part.frame.select(FAULT) for part in source.parts])
    return OpenedTable(
        _united(source),
        f"{format_}, {n_files}",
        str(table),
        records=None if format_ == "parquet" else records,
    )


def _input_files(spark: SparkSession, table: Address) -> list[ListedFile]:
    """The files to read: of a parquet address those that end so."""
    files = list_files_at(spark, table.location)
    if table.format == "parquet":
        return [file for file in files if file.name.endswith(".parquet")] or files
    return files


def _united(source: Source) -> DataFrame:
    """The records of all parts in the columns of all; columns without a common type become text."""
    types: dict[str, DataType] = {}
    for part in source.parts:
        for name in part.names:
            own_type = part.type_of(name)
            known_type = types.get(name, own_type)
            types[name] = common_type(known_type, own_type) or StringType()
    frames = [_in_columns(part, types) for part in source.parts]
    return union_all(frames)


def _in_columns(part: Part, types: Mapping[str, DataType]) -> DataFrame:
    """The records of a part that could be read; columns that it lacks are null."""
    columns = [
        conform(part.column(name), part.type_of(name), type_).alias(name)
        if name in part.names
        else F.lit(None).cast(type_).alias(name)
        for name, type_ in types.items()
    ]
    return part.frame.where(F.col(FAULT).isNull()).select(*columns)
