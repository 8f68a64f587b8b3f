"""Unique n-grams of sets of captions, with intervals, and how they grow with the sample."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, LongType, StructField, StructType

from spark_jobs.captioning.measure_table import MeasureRow
from spark_jobs.captioning.measured_captions import SET, SETS, CaptionSet
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.id_counts import PACKED
from spark_jobs.core.schemas import CAPTION, DRAW, HIGH, LOW, MEASURE, SOURCE, VALUE
from udfs.arrow import BatchFunction
from udfs.captioning.draw_bits import GROUPS, LEVELS
from udfs.captioning.tokens import TokenRule
from udfs.captioning.type_counts import (
    JACKKNIFE,
    LEVEL,
    NOUNS,
    ORDER,
    SEVERAL,
    TYPES,
    counted_types,
    packed_nouns,
    packed_types,
)
from udfs.id_counts import PART

PAPERS = (
    "Improving Multimodal Datasets, section 5: unique trigrams and nouns of raw and synthetic "
    "captions, against the sample's size",
)
UNIQUE = {
    1: "vocabulary",
    2: "unique_bigrams",
    3: "unique_trigrams",
    4: "unique_fourgrams",
    NOUNS: "unique_nouns",
}
OF_SAMPLE = "_of_sample"
_T = 2.093  # 97.5 % quantile of Student's t with GROUPS - 1 = 19 degrees of freedom
_TYPES = StructType(
    [
        *(StructField(name, IntegerType()) for name in (SET, ORDER, LEVEL, JACKKNIFE)),
        StructField(TYPES, LongType()),
    ]
)


def count_types(captions: DataFrame, rule: TokenRule, *, nouns: bool) -> DataFrame:
    """Columns set, ngram_order, level, jackknife, types, of captions that are not null.

    types: n-grams of a set first found in the sample of a level, and in one jackknife group alone
    or in several. `nouns`: whether to tag nouns, for which each worker needs the tagger's model.
    """
    rows = captions.where(F.col(CAPTION).isNotNull()).select(CAPTION, SETS, DRAW)
    counted = _count(rows, packed_types(rule))
    return counted.union(_count(rows, packed_nouns())) if nouns else counted


def _count(rows: DataFrame, pack: BatchFunction) -> DataFrame:
    by_part = map_in_arrow(rows, pack, PACKED).repartition(PART).sortWithinPartitions(PART)
    return map_in_arrow(by_part, counted_types, _TYPES)


def unique_ngrams(types: DataFrame) -> DataFrame:
    """Unique n-grams of each set: set, measure, value, low, high.

    Bounds by a delete-a-group jackknife, since bootstrap replicates repeat captions and so have
    fewer n-grams than the sample: the variance is (g - 1) / g times the sum of squares of what
    the g groups each alone contribute, around their mean.
    """
    by_group = types.groupBy(SET, ORDER, JACKKNIFE).agg(F.sum(TYPES).alias(TYPES))
    alone = F.when(F.col(JACKKNIFE) != SEVERAL, F.col(TYPES)).cast("double")
    sums = by_group.groupBy(SET, ORDER).agg(
        F.sum(TYPES).cast("double").alias(VALUE),
        F.coalesce(F.sum(alone), F.lit(0.0)).alias("_sum"),
        F.coalesce(F.sum(alone * alone), F.lit(0.0)).alias("_squares"),
    )
    spread = F.col("_squares") - F.col("_sum") * F.col("_sum") / GROUPS
    error = F.sqrt(F.greatest(spread, F.lit(0.0)) * ((GROUPS - 1) / GROUPS))
    return sums.select(
        SET,
        _measure_name("").alias(MEASURE),
        VALUE,
        F.greatest(F.lit(0.0), F.col(VALUE) - _T * error).alias(LOW),
        (F.col(VALUE) + _T * error).alias(HIGH),
    )


def _measure_name(suffix: str) -> Column:
    name = F.lit(None)
    for order, measure in UNIQUE.items():
        name = F.when(F.col(ORDER) == order, measure + suffix).otherwise(name)
    return name


def type_curve(
    types: DataFrame, captions: DataFrame, sets: Sequence[CaptionSet]
) -> list[MeasureRow]:
    """Rows of schemas.MEASURES: unique n-grams of nested samples of each source's images.

    at: the share of the images, 1, 1/2, 1/4 ...; n: the captions in that sample, down to 1.
    """
    sources = {part.number: part.source for part in sets if part.group is None}
    n_of_level = _captions_of_levels(captions)
    counted = (
        types.where(F.col(SET) < len(sources))
        .groupBy(SET, ORDER, LEVEL)
        .agg(F.sum(TYPES).alias(TYPES))
        .collect()
    )
    by_level = {(row[SET], row[ORDER], row[LEVEL]): row[TYPES] for row in counted}
    rows: list[MeasureRow] = []
    for number, source in sources.items():
        for order, measure in UNIQUE.items():
            total = 0
            for level in reversed(range(LEVELS)):
                total += by_level.get((number, order, level), 0)
                n = n_of_level.get((source, level), 0)
                if n and total:
                    name = f"{measure}{OF_SAMPLE}"
                    rows.append((name, source, None, 2.0**-level, float(total), None, None, n))
    return rows


def _captions_of_levels(captions: DataFrame) -> dict[tuple[str, int], int]:
    """(source, level) -> captions in the sample of 2^-level."""
    counts = [F.count_if(F.col(DRAW) < 2.0**-level).alias(str(level)) for level in range(LEVELS)]
    rows = captions.where(F.col(CAPTION).isNotNull()).groupBy(SOURCE).agg(*counts).collect()
    return {(row[SOURCE], level): row[str(level)] for row in rows for level in range(LEVELS)}
