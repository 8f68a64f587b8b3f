"""Open tables as DataFrames, in the active Spark session or in a local one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from captionlake.errors import short_errors

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@short_errors
def open_table(address: str | os.PathLike[str], *, version: int | None = None) -> DataFrame:
    """Open what `show` shows as a DataFrame: the newest version, or an older one of a Delta table.

    `address`: a Delta table (`./curated/matches`, `s3a://...`, `catalog.schema.table`), or files
    of parquet, JSON, CSV, TSV or text, whose unreadable records are left out with a warning.
    `version`: a number of Delta's DESCRIBE HISTORY. Raises InputDataError if nothing is there,
    SettingsError for a version that the table does not have.
    """
    from spark_jobs.formats import any_table
    from spark_jobs.storage.session import open_session

    opened = any_table.open_table(open_session(), os.fspath(address), version)
    if opened.records is not None:
        opened.count()  # warns
    return opened.rows


@short_errors
def read_version(address: str, version: str | None) -> DataFrame:
    """Read a table at a version as runs record it, such as `delta:3:...`; None for the newest.

    Where the newest has the same rows, it is read: VACUUM spares its files.
    """
    from spark_jobs.core.schemas import EMPTY
    from spark_jobs.storage.old_versions import read_recorded_version
    from spark_jobs.storage.session import open_session
    from spark_jobs.storage.table_states import has_same_rows, input_version

    spark = open_session()
    newest = input_version(spark, address)  # which tells parquet from Delta
    is_newest = version is None or has_same_rows(newest, version)
    return read_recorded_version(spark, address, EMPTY, newest if is_newest else version)
