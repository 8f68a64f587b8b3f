"""A floor per entry: captions that an entry keeps at least, as far as it has them."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, IntegerType, LongType, StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import DRAW, ENTRY_ID, ENTRY_IDS, UID
from udfs.arrow import Batches, BatchFunction
from udfs.balancing import SmallestDraws

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
    """How many matches each entry is short of min(floor, count), shape (n_entries,)."""
    return np.maximum(np.minimum(entry_counts, floor) - kept_counts, 0)


def captions_for_floor(left_out: DataFrame, missing: NDArray[np.int64]) -> DataFrame:
    """The uids that lift every entry to its floor: of its left-out captions those drawn lowest.

    `left_out`: uid, entry_ids, draw of the captions, or records, that balancing drops. `missing`:
    captions each entry is short of, (n_entries,). A caption may serve several entries, and a record
    an entry by several texts, each of which is an id in entry_ids. Each task hands on only the
    lowest draws of each entry, so that a head entry never meets one task whole.
    """
    rows = left_out.select(UID, ENTRY_IDS, DRAW)
    candidates = map_in_arrow(rows, _lowest_draws(missing), _CANDIDATES)
    by_draw = Window.partitionBy(ENTRY_ID).orderBy(DRAW, UID)
    ranked = candidates.withColumn("rank", F.row_number().over(by_draw))
    return ranked.where(F.col("rank") <= F.col(_MISSING)).select(UID).distinct()


def _lowest_draws(missing: NDArray[np.int64]) -> BatchFunction:
    def take(batches: Batches) -> Iterator[pa.RecordBatch]:
        lowest = SmallestDraws(missing)
        for batch in batches:
            lowest.add(batch.column(ENTRY_IDS), batch.column(DRAW), batch.column(UID))
        found = lowest.rows()
        wanted = pa.array(missing[found[ENTRY_ID].to_numpy()], pa.int64())
        yield from found.append_column(_MISSING, wanted).to_batches()

    return take
