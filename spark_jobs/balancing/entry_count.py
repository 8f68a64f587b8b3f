"""Entry counts: how many captions (rows of the matches) match each entry."""

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.errors import InputDataError
from spark_jobs.core.id_counts import count_entry_ids
from spark_jobs.core.schemas import ENTRY_COUNT, ENTRY_ID, ENTRY_IDS
from udfs.balancing import count_in_task

PAPERS = ("MetaCLIP, algorithm 1: captions per entry",)


def count_matches(matches: DataFrame) -> DataFrame:
    """Count the rows of `matches` per entry id: schemas.COUNTED_IDS, only ids that occur.

    Each task counts into one vector and emits it packed, so that ids are never exploded into rows.
    """
    return count_entry_ids(matches.select(ENTRY_IDS), count_in_task)


def count_vector(counts: DataFrame, n_entries: int) -> NDArray[np.int64]:
    """Counts by entry_id on the driver, shape (n_entries,); 0 for entries without a count.

    Raises InputDataError if an id is not below `n_entries`.
    """
    count_rows = counts.toPandas()
    ids = count_rows[ENTRY_ID].to_numpy()
    unknown_ids = ids[(ids < 0) | (ids >= n_entries)]
    if unknown_ids.size:
        raise InputDataError(
            f"entry_id {unknown_ids[0]} occurs in matches, but there are {n_entries} entries: "
            "expected the matches and the entries of one bank"
        )
    vector = np.zeros(n_entries, np.int64)
    vector[ids] = count_rows[ENTRY_COUNT].to_numpy()
    return vector


def name_entries(counts: DataFrame, bank: DataFrame, *, column: str = ENTRY_COUNT) -> DataFrame:
    """The entries of the bank with their counts in `column`, 0 if uncounted; by entry_id."""
    joined = bank.join(counts.withColumnRenamed(ENTRY_COUNT, column), on=ENTRY_ID, how="left")
    return joined.withColumn(column, F.coalesce(column, F.lit(0).cast("long"))).orderBy(ENTRY_ID)
