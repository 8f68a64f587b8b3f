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

WITH_FILE = StructField(FILE, StringType())
_CODEC_SETTING = "spark.sql.parquet.compression.codec"


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

    def commit(
        self, spark: SparkSession, metadata: Mapping[str, Any], transaction: str | None = None
    ) -> WriteResult:
        """Make the table consist of the files; OutputTableError if others keep changing it.

        With a transaction's name add them to it, unless it has a commit with that transaction.
        """
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
            if transaction is not None and local.has_transaction(transaction):
                if find_commit(spark, self.table, self.write_id) is None:  # else they are its files
                    self.remove()
                return WriteResult(0, "")
            if not local.commit(
                *(self.files, self.columns, properties, user_metadata, metrics),
                transaction=transaction,
            ):
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
    table = parse_address(address)
    columns = StructType([field for field in mapped.columns if field.name not in left_out])
    if not (_are_checked(columns) and can_write(mapped.rows.sparkSession, table, columns)):
        return None
    write_id = uuid.uuid4().hex
    write = write_and_count(folder_of(table), write_id, columns.names, pack, where=where)
    packed = mapped.then(write, StructType([*PACKED, WITH_FILE])).frame()
    by_part = packed.repartition(PART).sortWithinPartitions(PART)
    result_columns = StructType([*ID_COUNTS, WITH_FILE])
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
    for path in Path(folder_of(table)).glob(f"part-*-{write_id}-*"):
        with suppress(OSError):
            path.unlink()


def can_write(
    spark: SparkSession, table: Address, columns: StructType, *, is_added: bool = False
) -> bool:
    """Whether the workers can write the table; makes its folder, if there is none.

    Raises OutputTableError if a table with other columns is there, unless rows are added to it.
    """
    codec = setting(spark, _CODEC_SETTING, CODEC)
    if not _is_on_this_disk(table) or not has_plain_columns(columns) or codec != CODEC:
        return False
    if not is_added:
        check_output(spark, str(table), columns)
    local = LocalTable.at(table, columns, new_table_options(columns.names))
    if local is None or local.needs_checkpoint or (local.is_new and _has_table_defaults(spark)):
        return False
    log = f"{folder_of(table)}/_delta_log"
    try:
        os.makedirs(log, exist_ok=True)
    except OSError:
        return False  # Spark says why
    return has_links(log)


def _is_on_this_disk(table: Address) -> bool:
    path = plain_path(table.location)
    is_local = path.startswith("/") and not path.startswith((VOLUMES, DBFS))
    return table.is_path and is_local and table.format != "parquet" and reads_local_paths()


def _are_checked(columns: StructType) -> bool:
    """Whether there is no constraint but that uids are not null, which the statistics tell."""
    constrained = [names for names in CHECKS if set(names) <= set(columns.names)]
    return constrained in ([], [(UID,)]) and UID not in columns.names[MOST_COLUMNS:]


def _has_table_defaults(spark: SparkSession) -> bool:
    """Whether the session has properties for all tables that it makes."""
    is_default = F.col("key").startswith("spark.databricks.delta.properties.defaults.")
    return not spark.sql("SET").where(is_default).isEmpty()


def folder_of(table: Address) -> str:
    """The table's folder on this disk."""
    return plain_path(table.location).rstrip("/")


def _path(file: Mapping[str, Any]) -> str:
    return str(file["path"])
