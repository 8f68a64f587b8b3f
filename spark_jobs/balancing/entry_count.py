"""Entry counts: how many captions (rows of the matches) match each entry."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.arrow_collecting import collected
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.id_counts import count_entry_ids, count_ids
from spark_jobs.core.schemas import ENTRY_COUNT, ENTRY_ID, ENTRY_IDS
from udfs.balancing import ENTRIES, KINDS, ROWS, count_entries_and_rows, count_in_task
from udfs.id_counts import COUNT, ID, KIND

PAPERS = ("MetaCLIP, algorithm 1: captions per entry",)


@dataclass(frozen=True)
class MatchCounts:
    """Rows of a table of matches: all, those with an entry, and of each entry, (n_entries,)."""

    rows: int
    matched: int
    entry_counts: NDArray[np.int64]

    def summary(self) -> dict[str, int]:
        """The counts of a run: rows that match an entry and that match none, and all matches."""
        return {
            "matched": self.matched,
            "unmatched": self.rows - self.matched,
            "matches": int(self.entry_counts.sum()),
        }


def count_entries(matches: DataFrame, n_entries: int) -> MatchCounts:
    """Count the matches in one pass over entry_ids; runs a Spark job."""
    counts = count_ids(matches.select(ENTRY_IDS), count_entries_and_rows(), KINDS)
    return match_counts(collected(counts), n_entries)


def match_counts(counts: pd.DataFrame, n_entries: int) -> MatchCounts:
    """Those of the kinds ENTRIES and ROWS, from counts with the columns kind, id and count.

    Raises InputDataError if an id is not below `n_entries`.
    """
    row_counts = counts[counts[KIND] == ROWS].set_index(ID)[COUNT]
    of_entries = counts[counts[KIND] == ENTRIES]
    entry_counts = _vector(of_entries[ID].to_numpy(), of_entries[COUNT].to_numpy(), n_entries)
    rows, matched = (int(row_counts.get(id_, 0)) for id_ in (0, 1))
    return MatchCounts(rows, matched, entry_counts)


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
    return _vector(count_rows[ENTRY_ID].to_numpy(), count_rows[ENTRY_COUNT].to_numpy(), n_entries)


def _vector(
    ids: NDArray[np.integer[Any]], counts: NDArray[np.int64], n_entries: int
) -> NDArray[np.int64]:
    unknown_ids = ids[(ids < 0) | (ids >= n_entries)]
    if unknown_ids.size:
        raise InputDataError(
            f"entry_id {unknown_ids[0]} occurs in matches, but there are {n_entries} entries: "
            "expected the matches and the entries of one bank"
        )
    vector = np.zeros(n_entries, np.int64)
    vector[ids] = counts
    return vector


def name_entries(counts: DataFrame, bank: DataFrame, *, column: str = ENTRY_COUNT) -> DataFrame:
    """The entries of the bank with their counts in `column`, 0 if uncounted; by entry_id."""
    joined = bank.join(counts.withColumnRenamed(ENTRY_COUNT, column), on=ENTRY_ID, how="left")
    return joined.withColumn(column, F.coalesce(column, F.lit(0).cast("long"))).orderBy(ENTRY_ID)
