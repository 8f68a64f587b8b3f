"""Entry counts: how many captions, which are rows of the matches, match each entry."""

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.errors import InputDataError
from spark_jobs.core.id_counts import counted_entries
from spark_jobs.core.schemas import ENTRY_COUNT, ENTRY_ID, ENTRY_IDS
from udfs.balancing import count_in_task


def count_matches(matches: DataFrame) -> DataFrame:
    """Rows of `matches` that hold each entry id: entry_id, entry_count, only ids that occur.

    Each task counts into one vector and gives one packed result, so that the ids are never
    exploded into rows.
    """
    return counted_entries(matches.select(ENTRY_IDS), count_in_task)


def count_vector(counts: DataFrame, n_entries: int) -> NDArray[np.int64]:
    """Counts by entry_id on the driver, shape (n_entries,); 0 where none was counted.

    Raises InputDataError where an id is that of no entry.
    """
    rows = counts.toPandas()
    ids = rows[ENTRY_ID].to_numpy()
    outside = ids[(ids < 0) | (ids >= n_entries)]
    if outside.size:
        raise InputDataError(
            f"entry_id {outside[0]} occurs in matches, but there are {n_entries} entries: expected "
            "the matches and the entries of one bank"
        )
    vector = np.zeros(n_entries, np.int64)
    vector[ids] = rows[ENTRY_COUNT].to_numpy()
    return vector


def name_entries(counts: DataFrame, bank: DataFrame, *, column: str = ENTRY_COUNT) -> DataFrame:
    """A row for each entry of the bank, `column` 0 where it was not counted, by entry_id."""
    named = bank.join(counts.withColumnRenamed(ENTRY_COUNT, column), on=ENTRY_ID, how="left")
    return named.withColumn(column, F.coalesce(column, F.lit(0).cast("long"))).orderBy(ENTRY_ID)
