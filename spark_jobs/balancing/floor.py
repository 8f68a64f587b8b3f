"""A floor per entry: the least captions that each entry keeps, as far as it has that many."""

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, IntegerType, LongType, StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import DRAW, ENTRY_ID, ENTRY_IDS, UID
from udfs.balance_matches import lowest_draws

_MISSING = "missing"
_CANDIDATES = StructType(
    [
        StructField(ENTRY_ID, IntegerType()),
        StructField(DRAW, DoubleType()),
        StructField(UID, StringType()),
        StructField(_MISSING, LongType()),
    ]
)


def missing_captions(
    entry_counts: NDArray[np.int64], kept_counts: NDArray[np.int64], *, floor: int
) -> NDArray[np.int64]:
    """Kept matches that each entry lacks to reach min(floor, count), shape (n_entries,)."""
    return np.maximum(np.minimum(entry_counts, floor) - kept_counts, 0)


def captions_for_floor(dropped: DataFrame, missing: NDArray[np.int64]) -> DataFrame:
    """The uids that lift each entry to its floor: of its dropped captions those drawn lowest.

    `dropped`: uid, entry_ids, draw of the captions (or records) that balancing drops. `missing`:
    captions that each entry lacks, (n_entries,). A caption may count for several entries, and a
    record several times for one entry, once for each of its texts in entry_ids. Each task emits
    only the lowest draws of each entry, so that no task gets all captions of a head entry.
    """
    rows = dropped.select(UID, ENTRY_IDS, DRAW)
    select_lowest = lowest_draws(missing, draw=DRAW, uid=UID, missing=_MISSING)
    candidates = map_in_arrow(rows, select_lowest, _CANDIDATES)
    by_draw = Window.partitionBy(ENTRY_ID).orderBy(DRAW, UID)
    ranked = candidates.withColumn("rank", F.row_number().over(by_draw))
    return ranked.where(F.col("rank") <= F.col(_MISSING)).select(UID).distinct()
