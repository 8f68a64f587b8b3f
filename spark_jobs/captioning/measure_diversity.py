"""Unique n-grams of sets of captions, with intervals, and how they grow with the sample."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, LongType, StructField, StructType

from spark_jobs.captioning.measure_table import MeasureRow
from spark_jobs.captioning.measured_captions import SET, SETS, CaptionSet
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.id_counts import PACKED
from spark_jobs.core.schemas import CAPTION, DRAW
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

PAPERS = ("Nguyen 2023, section 5: unique trigrams and nouns of raw and synthetic captions",)
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
# (set, order, level, jackknife group) -> types.
Types = Mapping[tuple[int, int, int, int], int]


def count_types(captions: DataFrame, rule: TokenRule, *, n_sources: int, nouns: bool) -> Types:
    """Count n-grams by set, order, the smallest sample that has them, and jackknife group.

    `captions`: rows with sets and draw. The sets of sources come first. `nouns`: whether to tag
    nouns, for which each worker needs the model of the tagger.
    """
    rows = captions.where(F.col(CAPTION).isNotNull()).select(CAPTION, SETS, DRAW)
    packs = [packed_types(rule), *([packed_nouns()] if nouns else [])]
    counts: Counter[tuple[int, int, int, int]] = Counter()
    for pack in packs:
        for number, order, level, group, n in _summed(rows, pack, n_sources).collect():
            counts[number, order, level, group] += n
    return counts


def _summed(rows: DataFrame, pack: BatchFunction, n_sources: int) -> DataFrame:
    by_part = map_in_arrow(rows, pack, PACKED).repartition(PART).sortWithinPartitions(PART)
    types = map_in_arrow(by_part, counted_types, _TYPES)
    level = F.when(F.col(SET) < n_sources, F.col(LEVEL)).otherwise(0)  # groups have no curve
    return types.groupBy(SET, ORDER, level.alias(LEVEL), JACKKNIFE).agg(F.sum(TYPES).alias(TYPES))


def type_rows(types: Types, sets: Sequence[CaptionSet]) -> list[MeasureRow]:
    """Unique n-grams of each set, with 95 % intervals by a delete-a-group jackknife.

    Not by the bootstrap, whose replicates repeat captions and so have fewer n-grams than the
    sample. The variance is (g - 1) / g times the sum of squares of what each of the g groups alone
    contributes, around their mean.
    """
    totals: Counter[tuple[int, int]] = Counter()
    alone: dict[tuple[int, int], list[int]] = {}
    for (number, order, _, group), n in types.items():
        totals[number, order] += n
        if group != SEVERAL:
            alone.setdefault((number, order), [0] * GROUPS)[group] += n
    rows: list[MeasureRow] = []
    for (number, order), total in sorted(totals.items()):
        part = sets[number]
        margin = _T * _jackknife_error(alone.get((number, order), [0] * GROUPS))
        low, high = max(0.0, total - margin), total + margin
        rows.append(
            (UNIQUE[order], part.source, part.group, None, float(total), low, high, part.captions)
        )
    return rows


def _jackknife_error(alone: Sequence[int]) -> float:
    """Standard error of a count of types, by what each group alone contributes to it."""
    mean = sum(alone) / len(alone)
    squares = sum((n - mean) ** 2 for n in alone)
    return math.sqrt((len(alone) - 1) / len(alone) * squares)


def curve_rows(types: Types, sets: Sequence[CaptionSet]) -> list[MeasureRow]:
    """Unique n-grams of nested samples of each source's images: a type-token curve.

    at: the share of the images in the sample, 1, 1/2, 1/4 ...; n: its captions.
    """
    by_level: Counter[tuple[int, int, int]] = Counter()
    for (number, order, level, _), n in types.items():
        by_level[number, order, level] += n
    rows: list[MeasureRow] = []
    for part in sets:
        if part.group is not None:
            continue
        for order, measure in UNIQUE.items():
            total = 0
            for level in reversed(range(LEVELS)):
                total += by_level[part.number, order, level]
                n = part.captions_by_level[level]
                if n and total:
                    name, at = f"{measure}{OF_SAMPLE}", 2.0**-level
                    rows.append((name, part.source, None, at, float(total), None, None, n))
    return rows
