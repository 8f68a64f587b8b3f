"""Replace a table by rows that the Python workers write themselves, and count them on the way.

Rows that go back from Python to Spark, to be written as Parquet there, cost more than all that the
jobs do with them, and so does a further pass that counts them. Only in local mode, at paths of this
disk; for all else there is `tables.write_table`. The files of tasks that fail, or of a run that
ends before its commit, are not part of the table; VACUUM removes them.
"""

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.core.addresses import Address, parse_address
from spark_jobs.core.arrow_collecting import collected
from spark_jobs.core.arrow_mapping import MappedRows, map_in_arrow
from spark_jobs.core.errors import OutputTableError
from spark_jobs.core.id_counts import ID_COUNTS, PACKED
from spark_jobs.core.schemas import CHECKS, UID
from spark_jobs.storage.conflicts import retry_on_conflict
from spark_jobs.storage.delta_writing import find_commit, metadata_json, new_table_options
from spark_jobs.storage.log_entry import LocalTable, has_links
from spark_jobs.storage.outputs.writers import WRITER
from spark_jobs.storage.plain_columns import has_plain_columns
from spark_jobs.storage.session import reads_local_paths
from spark_jobs.storage.session_settings import setting
from spark_jobs.storage.tables import WriteResult, check_output
from udfs.arrow import BatchFunction
from udfs.file_statistics import MOST_COLUMNS
from udfs.file_systems import DBFS, VOLUMES, plain_path
from udfs.id_counts import COUNT, ID, KIND, PART, Kind
from udfs.table_files import CODEC, FILE, sum_counts_and_files, write_and_count

_WITH_FILE = StructField(FILE, StringType())
_CODEC = "spark.sql.parquet.compression.codec"


@dataclass(frozen=True)
class WrittenFiles:
    """Files that no version of the table has yet, and what was counted on the way.

    `counts`: kind, id and count. `columns`: of the table, `write_id` part of the files' names.
    """

    table: Address
    columns: StructType
    write_id: str
    files: Sequence[dict[str, Any]]
    counts: pd.DataFrame

    @property
    def rows(self) -> int:
        """The number of rows in the files."""
        return sum(statistics["numRecords"] for statistics in self._statistics())

    def has_null(self, column: str) -> bool:
        """Whether a row has a null in a column."""
        return any(statistics["nullCount"][column] for statistics in self._statistics())

    def commit(self, spark: SparkSession, metadata: Mapping[str, Any]) -> WriteResult:
        """Make the table consist of the files; OutputTableError if others keep changing it."""
        properties = new_table_options(self.columns.names)
        user_metadata = metadata_json({**metadata, "write": self.write_id})
        n_bytes = sum(file["size"] for file in self.files)
        metrics = {"numFiles": len(self.files), "numOutputRows": self.rows}
        metrics["numOutputBytes"] = n_bytes

        def commit_once() -> WriteResult | None:
            WRITER.refuse_if_taken(self.table.parent())
            local = LocalTable.at(self.table, self.columns, properties)
            if local is None:  # another program has made it another table meanwhile
                return None
            if not local.replace(self.files, self.columns, properties, user_metadata, metrics):
                return None
            commit = find_commit(spark, self.table, self.write_id)
            if commit is None:
                return None
            return WriteResult(self.rows, f"delta:{commit.version}:{commit.mark}")

        try:
            return retry_on_conflict(commit_once, self.table)
        except OutputTableError:
            self.remove()
            raise

    def remove(self) -> None:
        """Remove the files, which no table has."""
        remove_files(self.table, self.write_id)

    def _statistics(self) -> list[dict[str, Any]]:
        return [json.loads(file["stats"]) for file in self.files]


def write_files(
    mapped: MappedRows,
    address: str,
    pack: BatchFunction,
    kinds: Sequence[Kind],
    *,
    left_out: Sequence[str] = (),
    where: str | None = None,
) -> WrittenFiles | None:
    """Write rows as files of a table, which gets them by `WrittenFiles.commit`.

    `pack`: for mapInArrow, counts the rows, see udfs.id_counts; of its `kinds`. `left_out`: columns
    for `pack` alone. `where`: one of these, whether a row is written. None, with nothing written,
    where only Spark can write: to catalogs and stores, on clusters, to tables with constraints that
    the workers do not check or features that we do not know, with columns of types that Delta does
    not have in all tables, and where the session's settings ask for other tables or files.
    """
    spark = mapped.rows.sparkSession
    table = parse_address(address)
    columns = StructType([field for field in mapped.columns if field.name not in left_out])
    properties = new_table_options(columns.names)
    if not _can_write(table, columns) or setting(spark, _CODEC, CODEC) != CODEC:
        return None
    check_output(spark, address, columns)
    local = LocalTable.at(table, columns, properties)
    if local is None or local.needs_checkpoint or (local.is_new and _has_table_defaults(spark)):
        return None
    folder, write_id = plain_path(table.location).rstrip("/"), uuid.uuid4().hex
    try:
        os.makedirs(f"{folder}/_delta_log", exist_ok=True)
    except OSError:
        return None  # Spark says why
    if not has_links(f"{folder}/_delta_log"):
        return None
    write = write_and_count(folder, write_id, columns.names, pack, where=where)
    packed = mapped.then(write, StructType([*PACKED, _WITH_FILE])).frame()
    by_part = packed.repartition(PART).sortWithinPartitions(PART)
    result_columns = StructType([*ID_COUNTS, _WITH_FILE])
    try:
        result = collected(map_in_arrow(by_part, sum_counts_and_files(kinds), result_columns))
    except BaseException:
        remove_files(table, write_id)
        raise
    is_file = result[FILE].notna()
    counts = result.loc[~is_file, [KIND, ID, COUNT]].astype("int64")
    files = [json.loads(file) for file in result.loc[is_file, FILE]]
    written = WrittenFiles(table, columns, write_id, sorted(files, key=_path), counts)
    if UID in columns.names and written.has_null(UID):
        written.remove()
        return None  # Spark names the row that breaks the constraint
    return written


def remove_files(table: Address, write_id: str) -> None:
    """Remove the files of a write that was not committed."""
    for path in Path(plain_path(table.location)).glob(f"part-*-{write_id}-*"):
        with suppress(OSError):
            path.unlink()


def _can_write(table: Address, columns: StructType) -> bool:
    path = plain_path(table.location)
    is_on_disk = table.is_path and path.startswith("/") and not path.startswith((VOLUMES, DBFS))
    has_other_checks = any(
        set(constrained) <= set(columns.names) for constrained in CHECKS if constrained != (UID,)
    )
    return (
        is_on_disk
        and table.format != "parquet"
        and reads_local_paths()
        and not has_other_checks
        and has_plain_columns(columns)
        and UID not in columns.names[MOST_COLUMNS:]  # whose nulls the statistics do not count
    )


def _has_table_defaults(spark: SparkSession) -> bool:
    """Whether the session has properties for all tables that it makes."""
    is_default = F.col("key").startswith("spark.databricks.delta.properties.defaults.")
    return not spark.sql("SET").where(is_default).isEmpty()


def _path(file: Mapping[str, Any]) -> str:
    return str(file["path"])
