"""Unique n-grams of sets of captions, with intervals, and how they grow with the sample."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.captioning.measure_table import MeasureRow
from spark_jobs.captioning.measured_captions import CaptionSet
from spark_jobs.core.columns import named
from udfs.captioning.draw_bits import GROUPS, LEVELS
from udfs.captioning.set_sums import SET
from udfs.captioning.type_counts import JACKKNIFE, LEVEL, NOUNS, ORDER, SEVERAL, TYPES

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


@dataclass(frozen=True)
class Types:
    """Numbers of types.

    alone: (set, order) -> those in all, and those that each jackknife group alone has, where it has
    any. by_level: (set of a source, order) -> level -> those that no smaller sample has.
    """

    alone: Mapping[tuple[int, int], tuple[int, Sequence[int]]]
    by_level: Mapping[tuple[int, int], Mapping[int, int]]


def count_types(answered: DataFrame, *, n_sources: int) -> Types:
    """Sum the numbers of types of all tasks; the sets of sources come first."""
    numbers = answered.where(named(TYPES).isNotNull())
    by_group = numbers.groupBy(SET, ORDER, JACKKNIFE).agg(F.sum(TYPES).alias(TYPES))
    is_alone = named(JACKKNIFE) != SEVERAL
    alone = by_group.groupBy(SET, ORDER).agg(
        F.sum(TYPES), F.collect_list(F.when(is_alone, named(TYPES)))
    )
    levels = numbers.where(named(SET) < n_sources).groupBy(SET, ORDER, LEVEL).agg(F.sum(TYPES))
    by_level: dict[tuple[int, int], dict[int, int]] = {}
    for number, order, level, n in levels.collect():
        by_level.setdefault((number, order), {})[level] = n
    return Types({(row[0], row[1]): (row[2], row[3]) for row in alone.collect()}, by_level)


def type_rows(types: Types, sets: Sequence[CaptionSet]) -> list[MeasureRow]:
    """Unique n-grams of each set, with 95 % intervals by a delete-a-group jackknife.

    Not by the bootstrap, whose replicates repeat captions and so have fewer n-grams than the
    sample. The variance is (g - 1) / g times the sum of squares of what each of the g groups alone
    contributes, around their mean.
    """
    rows: list[MeasureRow] = []
    for (number, order), (total, alone) in sorted(types.alone.items()):
        part = sets[number]
        of_groups = [*sorted(alone), *[0] * (GROUPS - len(alone))]
        margin = _T * _jackknife_error(of_groups)
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
    rows: list[MeasureRow] = []
    for part in sets:
        if part.group is not None:
            continue
        for order, measure in UNIQUE.items():
            total = 0
            for level in reversed(range(LEVELS)):
                total += types.by_level.get((part.number, order), {}).get(level, 0)
                n = part.captions_by_level[level]
                if n and total:
                    name, at = f"{measure}{OF_SAMPLE}", 2.0**-level
                    rows.append((name, part.source, None, at, float(total), None, None, n))
    return rows
