"""Keep probabilities and the balanced rows."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.columns import uniform
from spark_jobs.schemas import ENTRY_IDS, KEEP_PROBABILITY, UID, WEIGHED_MATCHES
from udfs.arrow import Batches, BatchFunction
from udfs.balancing import keep_probability


def match_probability(entry_counts: NDArray[np.int64], *, t: int) -> NDArray[np.float64]:
    """T / max(count, t) for each entry (MetaCLIP, Xu et al. 2023, algorithm 1), shape (n,)."""
    return t / np.maximum(entry_counts, t).astype(np.float64)


def weigh_matches(matches: DataFrame, match_probability: NDArray[np.float64]) -> DataFrame:
    """Add keep_probability = 1 - prod(1 - p) over a caption's entries; without entries 0.

    `matches`: schemas.MATCHES, a row per caption. `match_probability`: (n_entries,).
    """
    return matches.select(UID, ENTRY_IDS).mapInArrow(weighing(match_probability), WEIGHED_MATCHES)


def keep_balanced(
    matches: DataFrame, match_probability: NDArray[np.float64], *, seed: int
) -> DataFrame:
    """Thin out the captions of head entries: the same law as one draw per match, in one draw.

    A caption stays where its draw is below its keep_probability; without entries it goes.
    Gives schemas.WEIGHED_MATCHES. Order: undefined.
    """
    weighed = weigh_matches(matches, match_probability)
    return weighed.where(uniform(UID, seed=seed) < F.col(KEEP_PROBABILITY))


def weighing(
    match_probability: NDArray[np.float64],
) -> BatchFunction:
    """The function of mapInArrow behind `weigh_matches`."""

    def weigh(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            kept = keep_probability(batch.column(ENTRY_IDS), match_probability)
            yield pa.RecordBatch.from_arrays([*batch, pa.array(kept)], WEIGHED_MATCHES.names)

    return weigh
