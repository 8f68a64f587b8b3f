"""A subset of labelled rows: by threshold, by class, by number; with every class kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.columns import free_name, keys, named
from spark_jobs.core.draws import Draw
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import RULE, THRESHOLD, VALUE
from spark_jobs.subsets.class_list import Class, ClassList
from spark_jobs.subsets.draw import (
    Place,
    count_classes,
    first_rows,
    is_drawn,
    of_classes,
    place_kind,
    places,
)
from spark_jobs.subsets.quotas import without_surplus
from spark_jobs.subsets.sample_rules import DRAWN, RESTORED, ClassCuts, decided
from spark_jobs.subsets.sampling import Quotas, Sampling, quotas_of, removed_classes

_ALL = "_all"


@dataclass(frozen=True)
class Sample:
    """`rows` with a struct column `decision`; those of rules DRAWN and RESTORED are the subset.

    available and kept: rows of each class in the input and in the subset. restored: classes that
    got one row back. too_small and without_tail: classes that were left out by their minimum, and
    as a tail without rows.
    """

    rows: DataFrame
    decision: str
    available: Mapping[Class, int]
    kept: Mapping[Class, int]
    quotas: Quotas
    restored: set[Class]
    too_small: set[Class]
    without_tail: set[Class]

    @property
    def rule(self) -> Column:
        """Why a row stays or goes."""
        return named(self.decision)[RULE]

    @property
    def value(self) -> Column:
        """What the rule looked at, null where it looked at nothing."""
        return named(self.decision)[VALUE]

    @property
    def threshold(self) -> Column:
        """What the rule held that against."""
        return named(self.decision)[THRESHOLD]

    @property
    def is_kept(self) -> Column:
        """Whether a row is in the subset."""
        return self.rule.isin(DRAWN, RESTORED)

    @property
    def subset(self) -> DataFrame:
        """The rows that stay, as they were."""
        return self.rows.where(self.is_kept).drop(self.decision)


def sample(rows: DataFrame, classes: ClassList, sampling: Sampling) -> Sample:
    """Decide which rows of these classes are in the subset.

    Raises InputDataError where n rows cannot be had.
    """
    column, draw = sampling.column, sampling.draw_of_class
    listed = of_classes(rows, column, classes)
    over_rows = listed.where(sampling.is_over(rows))
    available = _counts(listed, column, classes)
    over = available if sampling.threshold is None else _counts(over_rows, column, classes)
    too_small, without_tail = removed_classes(over, sampling)
    removed = too_small | without_tail
    stays = {
        key for key in classes
        if sampling.keeps_every_class and available[key] and key not in removed
    }  # fmt: skip
    quotas = quotas_of(over, removed, stays, sampling)
    of_class = places(over_rows, column, quotas.of_class, over, draw=draw)
    kept, of_all = quotas.of_class, dict[Class, Place]()
    if quotas.n_of_all is not None:
        drawable = over_rows
        if quotas.of_class != over:
            drawable = first_rows(over_rows, column, quotas.of_class, over, draw=draw)
        kept, of_all = _drawn_of_all(drawable, quotas.of_class, quotas.n_of_all, stays, sampling)
    back = _brought_back(listed, {key for key in stays if not kept[key]}, sampling)
    cuts = {key: ClassCuts(of_class.get(key), of_all.get(key), back.get(key)) for key in classes}
    decision = free_name(rows, "_decision")
    return Sample(
        rows=decided(rows, cuts, sampling, decision, draws_of_all=quotas.n_of_all is not None),
        decision=decision,
        available=available,
        kept={**kept, **dict.fromkeys(back, 1)},
        quotas=quotas,
        restored=set(back),
        too_small={key for key in too_small if available[key]},
        without_tail={key for key in without_tail - too_small if available[key]},
    )


def refuse_other_count(n_rows: int, expected: int) -> None:
    """Raise InputDataError where a draw gave more rows than it was to give."""
    if n_rows != expected:
        raise InputDataError(
            f"{n_rows:,} rows were drawn where {expected:,} were meant, since some uid is there "
            "twice in a class: dedup the input first"
        )


def _counts(rows: DataFrame, column: str, classes: ClassList) -> dict[Class, int]:
    counts = count_classes(rows, column)
    return {key: counts.get(key, 0) for key in classes}


def _drawn_of_all(
    rows: DataFrame,
    counts: Mapping[Class, int],
    n: int,
    stays: set[Class],
    sampling: Sampling,
) -> tuple[dict[Class, int], dict[Class, Place]]:
    """(rows of each class, where each is cut) when n of all these rows are drawn.

    Where classes that must stay are emptied, and n was given, as many rows of the largest go. A
    class of which nothing is drawn has no place.
    """
    if n == 0:
        return dict.fromkeys(counts, 0), {}
    column, draw = sampling.column, sampling.draw_of_all
    all_class = free_name(rows, _ALL)
    in_one_class = rows.withColumn(all_class, F.lit(""))
    total = sum(counts.values())
    [place] = places(in_one_class, all_class, {"": n}, {"": total}, draw=draw).values()
    n_drawn = count_classes(_before(rows, place, draw), column)
    drawn = {key: n_drawn.get(key, 0) for key in counts}
    refuse_other_count(sum(drawn.values()), n)
    emptied = [key for key in counts if key in stays and not drawn[key]]
    kept = without_surplus(drawn, len(emptied)) if sampling.n is not None else drawn
    cut = {key: kept[key] for key in kept if kept[key] < drawn[key]}
    return kept, dict.fromkeys(kept, place) | places(rows, column, cut, counts, draw=draw)


def _before(rows: DataFrame, place: Place, draw: Draw) -> DataFrame:
    kind = place_kind(rows)
    parts = zip(place, kind, strict=True)
    at = F.struct(*(F.lit(part).alias(field.name) for part, field in parts)).cast(kind)
    return rows.where(is_drawn(rows, at, draw=draw))


def _brought_back(
    rows: DataFrame, classes: set[Class], sampling: Sampling
) -> dict[Class, tuple[Any, ...]]:
    """Class -> key of the row that an emptied class gets back."""
    if not classes:
        return {}
    by = keys(rows)
    first = F.min(F.struct(*_preference(rows, sampling), *by)).alias("_first")
    class_name = named(sampling.column).alias("_class")
    firsts = of_classes(rows, sampling.column, classes).groupBy(class_name).agg(first)
    key_of = firsts.select("_class", *(F.col("_first")[key] for key in by)).collect()
    return {row[0]: tuple(row[1:]) for row in key_of}


def _preference(rows: DataFrame, sampling: Sampling) -> list[Column]:
    """What is smallest in the row that is preferred; rows without such a value come last."""
    if sampling.restore_by is not None:
        value = named(sampling.restore_by)
    elif sampling.similarity is not None:
        value = -named(sampling.similarity)
    else:
        value = sampling.draw_of_class.of(*keys(rows))
    return [value.isNull().alias("_is_absent"), value.alias("_value")]
