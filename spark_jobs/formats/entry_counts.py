"""Reading entry counts: a table, or MetaCLIP's and SynthCLIP's entry_count.npy."""

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
    """schemas.ENTRY_COUNTS; entry and lang are null where the table or file has none."""
    if address.endswith(".npy"):
        return _of_array(spark, entry_count_array(read_bytes(spark, address), address))
    frame = read_table(spark, address, schemas.COUNTED_IDS, version=version)
    absent = [name for name in (ENTRY, LANG) if name not in frame.columns]
    nulls = [F.lit(None).cast("string").alias(name) for name in absent]
    return frame.select("*", *nulls).select(*schemas.ENTRY_COUNTS.names)


def unnamed_entries(counts: DataFrame) -> DataFrame:
    """schemas.ENTRY_COUNTS of ids 0 to the largest counted, without their words."""
    last = counts.agg(F.coalesce(F.max(ENTRY_ID), F.lit(-1)).alias("last"))
    ids = last.where("last >= 0").select(F.explode(F.sequence(F.lit(0), "last")).alias(ENTRY_ID))
    nulls = {name: F.lit(None).cast("string") for name in (ENTRY, LANG)}
    return name_entries(counts, ids.withColumns(nulls)).select(*schemas.ENTRY_COUNTS.names)


def counted_entries(entries: DataFrame, address: str) -> CountedEntries:
    """Counts and languages on the driver; InputDataError where ids or counts are none."""
    rows = entries.select(ENTRY_ID, LANG, ENTRY_COUNT).toPandas().sort_values(ENTRY_ID)
    check_ids(rows[ENTRY_ID].to_numpy(), f"table {address}")
    if rows[ENTRY_COUNT].isna().any() or (rows[ENTRY_COUNT] < 0).any():
        raise InputDataError(f"table {address}: column 'entry_count' must be 0 or more")
    return CountedEntries(rows[ENTRY_COUNT].to_numpy(np.int64), rows[LANG].to_numpy(object))


def entry_count_array(content: bytes, name: str) -> NDArray[np.int64]:
    """The counts of an entry_count.npy, index = entry_id; InputDataError where it holds none."""
    try:
        counts = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as fault:  # of numpy, its reader of headers, and memory, by what the file is
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


def _of_array(spark: SparkSession, counts: NDArray[np.int64]) -> DataFrame:
    rows = pd.DataFrame({ENTRY_ID: np.arange(counts.size, dtype=np.int32), ENTRY_COUNT: counts})
    named = rows.assign(**{ENTRY: None, LANG: None})[schemas.ENTRY_COUNTS.names]
    return spark.createDataFrame(named, schemas.ENTRY_COUNTS)
