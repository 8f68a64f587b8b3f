"""Read entry counts: a table, or an entry_count.npy.

The .npy file is that of MetaCLIP (Xu et al. 2023) and SynthCLIP (Hammoud et al. 2024).
"""

import io

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.balancing.counted_entries import CountedEntries
from spark_jobs.balancing.entry_count import name_entries
from spark_jobs.core import schemas
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import ENTRY, ENTRY_COUNT, ENTRY_ID, LANG
from spark_jobs.formats.concept_bank import check_ids
from spark_jobs.storage.small_files import read_bytes
from spark_jobs.storage.tables import read_table


def read_entry_counts(spark: SparkSession, address: str, version: str | None) -> DataFrame:
    """Read schemas.ENTRY_COUNTS; entry and lang are null if the table or file lacks them."""
    if address.endswith(".npy"):
        return _counts_frame(spark, entry_count_array(read_bytes(spark, address), address))
    frame = read_table(spark, address, schemas.COUNTED_IDS, version=version)
    missing = [name for name in (ENTRY, LANG) if name not in frame.columns]
    null_columns = [F.lit(None).cast("string").alias(name) for name in missing]
    return frame.select("*", *null_columns).select(*schemas.ENTRY_COUNTS.names)


def unnamed_entries(counts: DataFrame) -> DataFrame:
    """schemas.ENTRY_COUNTS of ids 0 to the largest counted id, with null entry and lang."""
    largest_id = counts.agg(F.coalesce(F.max(ENTRY_ID), F.lit(-1)).alias("last"))
    nonnegative = largest_id.where("last >= 0")
    ids = nonnegative.select(F.explode(F.sequence(F.lit(0), "last")).alias(ENTRY_ID))
    null_columns = {name: F.lit(None).cast("string") for name in (ENTRY, LANG)}
    return name_entries(counts, ids.withColumns(null_columns)).select(*schemas.ENTRY_COUNTS.names)


def counted_entries(entries: DataFrame, address: str) -> CountedEntries:
    """Counts and languages on the driver; InputDataError if an id or count is invalid."""
    rows = entries.select(ENTRY_ID, LANG, ENTRY_COUNT).toPandas().sort_values(ENTRY_ID)
    check_ids(rows[ENTRY_ID].to_numpy(), f"table {address}")
    if rows[ENTRY_COUNT].isna().any() or (rows[ENTRY_COUNT] < 0).any():
        raise InputDataError(f"table {address}: column 'entry_count' must be 0 or more")
    return CountedEntries(rows[ENTRY_COUNT].to_numpy(np.int64), rows[LANG].to_numpy(object))


def entry_count_array(content: bytes, name: str) -> NDArray[np.int64]:
    """The counts of an entry_count.npy, index = entry_id; InputDataError if it is not one."""
    try:
        counts = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as fault:  # np.load raises many types, depending on the file's content
        reason = " ".join(str(fault).split())[:120] or type(fault).__name__
        raise InputDataError(f"{name}: is no .npy array ({reason})") from None
    if counts.ndim != 1 or counts.dtype.kind not in "iu":
        raise InputDataError(
            f"{name}: expected whole numbers of shape (n_entries,), found {counts.dtype} of shape "
            f"{counts.shape}"
        )
    if counts.size and int(counts.max()) > np.iinfo(np.int64).max:
        raise InputDataError(f"{name}: a count is above 2**63 - 1")
    return np.asarray(counts, np.int64)


def _counts_frame(spark: SparkSession, counts: NDArray[np.int64]) -> DataFrame:
    rows = pd.DataFrame({ENTRY_ID: np.arange(counts.size, dtype=np.int32), ENTRY_COUNT: counts})
    with_names = rows.assign(**{ENTRY: None, LANG: None})[schemas.ENTRY_COUNTS.names]
    return spark.createDataFrame(with_names, schemas.ENTRY_COUNTS)
