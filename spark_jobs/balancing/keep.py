"""Keep probabilities and the balanced rows."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.draws import Draw
from spark_jobs.core.schemas import (
    CAPTION_ID,
    CAPTION_ROWS,
    DRAW,
    ENTRY_IDS,
    KEEP_PROBABILITY,
    KEPT,
    UID,
    WEIGHED_MATCHES,
)
from udfs.arrow import Batches, BatchFunction
from udfs.balancing import keep_probability

PASSING_DRAW = "_balancing_draw"  # that `keeping` drops; the rows may have a draw of their own
BALANCING = "balance"  # the purpose of the draw, one for all jobs that balance


def match_probability(
    entry_counts: NDArray[np.int64], *, t: int | NDArray[np.int64]
) -> NDArray[np.float64]:
    """T / max(count, t) for each entry (MetaCLIP, Xu et al. 2023, algorithm 1), shape (n,).

    `t`: one for all entries, or (n,).
    """
    return t / np.maximum(entry_counts, t).astype(np.float64)


def weigh_matches(matches: DataFrame, match_probability: NDArray[np.float64]) -> DataFrame:
    """Add keep_probability = 1 - prod(1 - p) over a caption's entries; without entries 0.

    `matches`: schemas.MATCHES, a row per caption. `match_probability`: (n_entries,).
    """
    return map_in_arrow(
        matches.select(UID, ENTRY_IDS), weighing(match_probability), WEIGHED_MATCHES
    )


def draw_matches(
    matches: DataFrame, match_probability: NDArray[np.float64], *, draw: Draw
) -> DataFrame:
    """Add keep_probability, the caption's draw, and kept: whether the draw is below it.

    The same law as one draw per match, in one draw; a caption without entries is not kept.
    Order: undefined.
    """
    weighed = weigh_matches(matches, match_probability).withColumn(DRAW, draw.of(UID))
    return weighed.withColumn(KEPT, F.col(DRAW) < F.col(KEEP_PROBABILITY))


def keep_balanced(
    matches: DataFrame, match_probability: NDArray[np.float64], *, draw: Draw
) -> DataFrame:
    """The rows that `draw_matches` keeps, with all their columns; the others stay in the worker."""
    drawn = matches.withColumn(PASSING_DRAW, draw.of(UID))
    return map_in_arrow(drawn, keeping(match_probability), matches.schema)


def matches_by_uid(matches: DataFrame) -> DataFrame:
    """uid, entry_ids, caption_rows: the texts of a record are kept or go together, as one row.

    Where `matches` has caption_id, a record's entry_ids are those of all its texts, repeats
    included: the law of MetaCLIP's balancer, where any text's draw keeps the record. caption_rows
    is the number of its texts, else 1.
    """
    if CAPTION_ID not in matches.columns:
        return matches.select(UID, ENTRY_IDS, F.lit(1).cast("long").alias(CAPTION_ROWS))
    texts = F.array_sort(F.flatten(F.collect_list(ENTRY_IDS)))
    return matches.groupBy(UID).agg(texts.alias(ENTRY_IDS), F.count(F.lit(1)).alias(CAPTION_ROWS))


def with_caption_rows(matches: DataFrame, captions: DataFrame) -> DataFrame:
    """`matches_by_uid` with caption_rows counted in the captions; 0 where they lack the uid."""
    rows = captions.groupBy(UID).agg(F.count(F.lit(1)).alias(CAPTION_ROWS))
    joined = matches.drop(CAPTION_ROWS).join(rows, on=UID, how="left")
    return joined.withColumn(CAPTION_ROWS, F.coalesce(CAPTION_ROWS, F.lit(0).cast("long")))


def weighing(
    match_probability: NDArray[np.float64],
) -> BatchFunction:
    """The function of mapInArrow behind `weigh_matches`."""

    def weigh(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            kept = keep_probability(batch.column(ENTRY_IDS), match_probability)
            yield pa.RecordBatch.from_arrays([*batch, pa.array(kept)], WEIGHED_MATCHES.names)

    return weigh


def keeping(match_probability: NDArray[np.float64]) -> BatchFunction:
    """The function of mapInArrow behind `keep_balanced`; it takes the draws as a column."""

    def keep(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            probability = keep_probability(batch.column(ENTRY_IDS), match_probability)
            kept = batch.filter(pa.array(batch.column(PASSING_DRAW).to_numpy() < probability))
            yield kept.select([name for name in kept.schema.names if name != PASSING_DRAW])

    return keep
