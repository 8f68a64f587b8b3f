"""Open tables as DataFrames, in the active Spark session or in a local one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from captionlake.errors import short_errors

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def open_table(address: str | os.PathLike[str], *, version: int | None = None) -> DataFrame:
    """Open a table as a DataFrame: the newest version, or an older one of a Delta table.

    `address`: a folder or file (`./curated/captions`, `s3a://...`, `pairs.parquet`), of Delta or of
    plain parquet, or `catalog.schema.table`. `version`: a number of Delta's DESCRIBE HISTORY.
    Raises InputDataError if there is no such table.
    """
    delta_version = None if version is None else f"delta:{version}"
    return read_version(os.fspath(address), delta_version)


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
