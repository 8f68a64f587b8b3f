"""Matching and balancing in one mapInArrow, so that dropped matches never leave the worker."""

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from spark_jobs.balancing.keep import TEMPORARY_DRAW
from spark_jobs.core.arrow_mapping import MappedRows
from spark_jobs.core.draws import Draw
from spark_jobs.core.schemas import ENTRY_IDS, MATCHES, UID
from udfs.arrow import chained
from udfs.balance_matches import keep_by_draw
from udfs.text.concept_matches import add_entry_ids
from udfs.text.matchers import ConceptMatcher


def keep_matched(
    captions: DataFrame,
    matcher: ConceptMatcher,
    match_probability: NDArray[np.float64],
    *,
    draw: Draw,
) -> MappedRows:
    """Match the captions and keep those that `keep_balanced` would keep, with entry_ids.

    `match_probability`: (n_entries,).
    """
    unmatched = captions.drop(ENTRY_IDS)
    match = add_entry_ids(matcher, kept=[*unmatched.columns, TEMPORARY_DRAW])
    match_and_keep = chained(match, keep_by_draw(match_probability, draw=TEMPORARY_DRAW))
    with_draw = unmatched.withColumn(TEMPORARY_DRAW, draw.of(UID))
    return MappedRows(with_draw, match_and_keep, matched_columns(captions))


def matched_columns(captions: DataFrame) -> StructType:
    """Schema of the captions with entry_ids as the last column."""
    return StructType([*captions.drop(ENTRY_IDS).schema, MATCHES[ENTRY_IDS]])
