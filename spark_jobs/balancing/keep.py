"""Keep probabilities of captions, and the captions that balancing keeps."""

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, StructField, StructType

from spark_jobs.core.arrow_mapping import MappedRows, map_in_arrow
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
from udfs.arrow import checked
from udfs.balance_matches import add_keep_probability, keep_by_draw, mark_kept

PAPERS = (
    "MetaCLIP, algorithm 1: captions kept by the probabilities of their entries",
    "SynthCLIP, published code: generated captions balanced in the same way",
)

# A column that `keep_by_draw` drops; its name differs from `draw`, which the rows may have.
TEMPORARY_DRAW = "_balancing_draw"
IS_KEPT = "(kept)"  # of `marked_rows`; no table has a column of that name
BALANCING = "balance"  # purpose of the draw, the same in all jobs that balance


def match_probability(
    entry_counts: NDArray[np.int64], *, t: int | NDArray[np.int64]
) -> NDArray[np.float64]:
    """Probability that an entry keeps a match: t / max(entry_count, t), shape (n_entries,).

    MetaCLIP (Xu et al. 2023), algorithm 1. `t`: one for all entries, or (n_entries,).
    """
    return t / np.maximum(entry_counts, t).astype(np.float64)


def weigh_matches(matches: DataFrame, match_probability: NDArray[np.float64]) -> DataFrame:
    """Add keep_probability = 1 - prod(1 - p) over a caption's entries; 0 without entries.

    `matches`: schemas.MATCHES, a row per caption. `match_probability`: (n_entries,).
    """
    add_probability = add_keep_probability(match_probability, probability=KEEP_PROBABILITY)
    return map_in_arrow(matches.select(UID, ENTRY_IDS), add_probability, WEIGHED_MATCHES)


def draw_matches(
    matches: DataFrame, match_probability: NDArray[np.float64], *, draw: Draw
) -> DataFrame:
    """Add keep_probability, the caption's draw, and kept: draw < keep_probability.

    One draw per caption has the same distribution as MetaCLIP's draw per match. A caption without
    entries is not kept. Order: undefined.
    """
    weighed = weigh_matches(matches, match_probability).withColumn(DRAW, draw.of(UID))
    return weighed.withColumn(KEPT, F.col(DRAW) < F.col(KEEP_PROBABILITY))


def keep_balanced(
    matches: DataFrame, match_probability: NDArray[np.float64], *, draw: Draw
) -> DataFrame:
    """The rows that `draw_matches` keeps, with all columns; the Python worker drops the others."""
    return kept_rows(matches, match_probability, draw=draw).frame()


def kept_rows(
    matches: DataFrame, match_probability: NDArray[np.float64], *, draw: Draw
) -> MappedRows:
    """`keep_balanced`, to which the worker that drops rows may add steps."""
    with_draw = matches.withColumn(TEMPORARY_DRAW, draw.of(UID))
    keep = keep_by_draw(match_probability, draw=TEMPORARY_DRAW)
    return MappedRows(with_draw, keep, matches.schema)


def marked_rows(
    matches: MappedRows, match_probability: NDArray[np.float64], *, draw: Draw
) -> MappedRows:
    """All rows, with a column IS_KEPT: whether `keep_balanced` keeps them."""
    mark = mark_kept(match_probability, purpose=draw.purpose, uid=UID, seed=draw.seed, kept=IS_KEPT)
    columns = StructType([*matches.columns, StructField(IS_KEPT, BooleanType())])
    return matches.then(checked(mark), columns)


def matches_by_uid(matches: DataFrame) -> DataFrame:
    """One row per uid: uid, entry_ids, caption_rows; the texts of a record are balanced as one.

    Where `matches` has caption_id, a record's entry_ids are those of all its texts, repeats
    included: as in MetaCLIP's balancer, a draw won for any text keeps the whole record.
    caption_rows: the number of its texts; 1 without caption_id.
    """
    if CAPTION_ID not in matches.columns:
        return matches.select(UID, ENTRY_IDS, F.lit(1).cast("long").alias(CAPTION_ROWS))
    texts = F.array_sort(F.flatten(F.collect_list(ENTRY_IDS)))
    return matches.groupBy(UID).agg(texts.alias(ENTRY_IDS), F.count(F.lit(1)).alias(CAPTION_ROWS))


def with_caption_rows(matches: DataFrame, captions: DataFrame) -> DataFrame:
    """Set caption_rows to the rows of `captions` per uid; 0 for a uid that they lack.

    `matches`: of `matches_by_uid`.
    """
    rows_per_uid = captions.groupBy(UID).agg(F.count(F.lit(1)).alias(CAPTION_ROWS))
    joined = matches.drop(CAPTION_ROWS).join(rows_per_uid, on=UID, how="left")
    return joined.withColumn(CAPTION_ROWS, F.coalesce(CAPTION_ROWS, F.lit(0).cast("long")))
