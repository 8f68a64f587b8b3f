"""A subset of labelled rows: by threshold, by class, by number; with every class kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType

from spark_jobs.columns import keys
from spark_jobs.draws import Draw
from spark_jobs.errors import InputDataError
from spark_jobs.schemas import RULE, THRESHOLD, VALUE
from spark_jobs.subsets.class_list import Class, ClassList
from spark_jobs.subsets.draw import (
    Place,
    class_table,
    count_classes,
    first_rows,
    is_drawn,
    of_classes,
    place_kind,
    places,
)
from spark_jobs.subsets.quotas import (
    capped,
    rarest,
    stratified,
    with_short_tail,
    without_surplus,
)

# Why a row stays or goes: the rules in `decisions`.
DRAWN, RESTORED = "drawn", "restored"
_CLASS, _THRESHOLD, _PER_CLASS, _DRAW = "class", "threshold", "per_class", "draw"

_OF_CLASS, _OF_ALL, _BACK = "_of_class", "_of_all", "_back"
_ALL = "_all"


@dataclass(frozen=True)
class Sampling:
    """What is kept, in this order: what is over the threshold, so many of a class, so many of all.

    A row must have a `similarity` of at least `threshold`. The `tail_classes` rarest classes are
    cut to `tail_rows` rows, every class to `most_per_class`, and those with fewer than
    `least_per_class` are left out. Then `n` rows, or a `fraction`, are drawn of all, or from each
    class in proportion where `is_stratified`. With `keeps_every_class` each class that threshold
    or draw emptied gets one row back: that with the smallest `restore_by`, else the largest
    similarity, else the smallest draw; `n` rows are n all the same.
    """

    column: str
    draw: Draw
    similarity: str | None = None
    threshold: float | None = None
    tail_classes: int = 0
    tail_rows: int = 0
    most_per_class: int | None = None
    least_per_class: int = 0
    n: int | None = None
    fraction: float | None = None
    is_stratified: bool = False
    keeps_every_class: bool = True
    restore_by: str | None = None

    @property
    def draw_of_class(self) -> Draw:
        """By which a class's rows are ordered."""
        return self.draw.step("class")

    @property
    def draw_of_all(self) -> Draw:
        """By which rows are drawn whatever their class."""
        return self.draw.step("all")

    @property
    def is_over(self) -> Column:
        """Whether a row is over the threshold, which null and NaN are not."""
        if self.similarity is None or self.threshold is None:
            return F.lit(True)
        value = F.col(self.similarity)  # to Spark NaN is above all numbers
        return F.coalesce((value >= self.threshold) & ~F.isnan(value), F.lit(False))


@dataclass(frozen=True)
class Sample:
    """`rows` with columns rule, value and threshold; rules DRAWN and RESTORED are the subset.

    available and kept: rows of each class in the input and in the subset.
    """

    rows: DataFrame
    available: Mapping[Class, int]
    kept: Mapping[Class, int]
    n_restored: int

    @property
    def subset(self) -> DataFrame:
        """The rows that stay, as they were."""
        kept = self.rows.where(F.col(RULE).isin(DRAWN, RESTORED))
        return kept.drop(RULE, VALUE, THRESHOLD)


def sample(rows: DataFrame, classes: ClassList, sampling: Sampling) -> Sample:
    """Decide which rows of these classes are in the subset.

    Raises InputDataError where n rows cannot be had.
    """
    column, draw = sampling.column, sampling.draw_of_class
    listed = of_classes(rows, column, classes)
    over_rows = listed.where(sampling.is_over)
    available = _counts(listed, column, classes)
    over = available if sampling.threshold is None else _counts(over_rows, column, classes)
    removed = _removed(over, sampling)
    stays = {
        key for key in classes
        if sampling.keeps_every_class and available[key] and key not in removed
    }  # fmt: skip
    quotas, n = _quotas(over, removed, stays, sampling)
    of_class = places(over_rows, column, quotas, over, draw=draw)
    kept, of_all = quotas, dict[Class, Place]()
    if n is not None:
        drawable = over_rows
        if quotas != over:
            drawable = first_rows(over_rows, column, quotas, over, draw=draw)
        kept, of_all = _drawn_of_all(drawable, quotas, n, stays, sampling)
    back = _brought_back(listed, {key for key in stays if not kept[key]}, sampling)
    table = {key: (of_class.get(key), of_all.get(key), back.get(key)) for key in classes}
    decided = _decided(rows, table, sampling, has_second=n is not None)
    return Sample(decided, available, {**kept, **dict.fromkeys(back, 1)}, len(back))


def refuse_repeated_keys(n_rows: int, expected: int) -> None:
    """Raise InputDataError where a draw gave more rows than it was to give."""
    if n_rows != expected:
        raise InputDataError(
            f"{n_rows:,} rows were drawn where {expected:,} were meant, since some uid is there "
            "twice in a class: dedup the input first"
        )


def _counts(rows: DataFrame, column: str, classes: ClassList) -> dict[Class, int]:
    counts = count_classes(rows, column)
    return {key: counts.get(key, 0) for key in classes}


def _removed(over: Mapping[Class, int], sampling: Sampling) -> set[Class]:
    """Classes that are to have no rows."""
    few = {key for key, count in over.items() if count < sampling.least_per_class}
    zero_shot = set() if sampling.tail_rows else rarest(over, sampling.tail_classes)
    return few | zero_shot


def _quotas(
    over: Mapping[Class, int], removed: set[Class], stays: set[Class], sampling: Sampling
) -> tuple[dict[Class, int], int | None]:
    """(rows of each class, how many of all these are to be drawn: None for all of them)."""
    quotas = with_short_tail(over, sampling.tail_classes, sampling.tail_rows)
    if sampling.most_per_class is not None:
        quotas = capped(quotas, sampling.most_per_class)
    quotas |= dict.fromkeys(removed, 0)
    total, n = sum(quotas.values()), sampling.n
    if sampling.fraction is not None:
        n = round(sampling.fraction * total)  # half to even, as published
    elif n is not None:
        _refuse_impossible(n, total, len(stays))
    if n is None or not sampling.is_stratified:
        return quotas, n
    n_emptied = sum(quotas[key] == 0 for key in stays)
    if sampling.n is not None:  # they count what emptied classes get back, a fraction does not
        n -= n_emptied
    n = max(n, len(stays) - n_emptied)
    return stratified(quotas, n, least=int(sampling.keeps_every_class)), None


def _refuse_impossible(n: int, total: int, n_classes: int) -> None:
    if n > total:
        raise InputDataError(f"n = {n:,}, but there are only {total:,} rows to draw from")
    if n < n_classes:
        raise InputDataError(
            f"n = {n:,} is less than the {n_classes:,} classes that have rows, each of which "
            "keeps one: give a larger n, or --no-keep-every-class"
        )


def _drawn_of_all(
    rows: DataFrame,
    counts: Mapping[Class, int],
    n: int,
    stays: set[Class],
    sampling: Sampling,
) -> tuple[dict[Class, int], dict[Class, Place]]:
    """(rows of each class, where each is cut) when n of all these rows are drawn.

    Where classes that must stay are emptied, and n was given, as many rows of the largest go.
    """
    column, draw = sampling.column, sampling.draw_of_all
    everything = rows.withColumn(_ALL, F.lit(""))
    total = sum(counts.values())
    [place] = places(everything, _ALL, {"": n}, {"": total}, draw=draw).values()
    found = count_classes(_before(rows, place, draw), column)
    drawn = {key: found.get(key, 0) for key in counts}
    refuse_repeated_keys(sum(drawn.values()), n)
    emptied = [key for key in counts if key in stays and not drawn[key]]
    kept = without_surplus(drawn, len(emptied)) if sampling.n is not None else drawn
    cut = {key: kept[key] for key in kept if kept[key] < drawn[key]}
    return kept, dict.fromkeys(kept, place) | places(rows, column, cut, counts, draw=draw)


def _before(rows: DataFrame, place: Place, draw: Draw) -> DataFrame:
    name = "_place"
    at = F.struct(
        *(
            F.lit(part).alias(field.name)
            for part, field in zip(place, place_kind(rows), strict=True)
        )
    )
    placed = rows.withColumn(name, at.cast(place_kind(rows)))
    return placed.where(is_drawn(placed, name, draw=draw))


def _brought_back(
    rows: DataFrame, classes: set[Class], sampling: Sampling
) -> dict[Class, tuple[Any, ...]]:
    """Class -> key of the row that an emptied class gets back."""
    if not classes:
        return {}
    by = keys(rows)
    first = F.min(F.struct(*_preference(rows, sampling), *by)).alias("first")
    found = (
        rows.where(F.col(sampling.column).isin(sorted(classes)))
        .groupBy(sampling.column)
        .agg(first)
        .select(sampling.column, *(F.col("first")[key].alias(f"_{key}") for key in by))
        .collect()
    )
    return {row[0]: tuple(row[1:]) for row in found}


def _preference(rows: DataFrame, sampling: Sampling) -> list[Column]:
    """What is smallest in the row that is preferred; rows without such a value come last."""
    if sampling.restore_by is not None:
        value = F.col(sampling.restore_by)
    elif sampling.similarity is not None:
        value = -F.col(sampling.similarity)
    else:
        value = sampling.draw_of_class.of(*keys(rows))
    return [value.isNull().alias("_is_absent"), value.alias("_value")]


def _decided(
    rows: DataFrame,
    table: Mapping[Class, tuple[Any, ...]],
    sampling: Sampling,
    *,
    has_second: bool,
) -> DataFrame:
    """The rows with their rule, what it looked at and what it asked for."""
    by = keys(rows)
    kind = place_kind(rows)
    key_kind = StructType([rows.schema[key] for key in by])
    columns = [
        StructField(_OF_CLASS, kind), StructField(_OF_ALL, kind), StructField(_BACK, key_kind)
    ]  # fmt: skip
    known = class_table(rows, sampling.column, table, columns).withColumn("_is_listed", F.lit(True))
    joined = rows.join(F.broadcast(known), on=sampling.column, how="left")
    is_back = F.coalesce(F.struct(*by) == F.col(_BACK), F.lit(False))
    drawn_of_all = (
        is_drawn(joined, _OF_ALL, draw=sampling.draw_of_all) if has_second else F.lit(True)
    )
    rule = (
        F.when(F.col("_is_listed").isNull(), _CLASS)
        .when(is_back, RESTORED)
        .when(~sampling.is_over, _THRESHOLD)
        .when(~is_drawn(joined, _OF_CLASS, draw=sampling.draw_of_class), _PER_CLASS)
        .when(~drawn_of_all, _DRAW)
        .otherwise(DRAWN)
    )
    similarity = F.lit(None) if sampling.similarity is None else F.col(sampling.similarity)
    return joined.select(
        *rows.columns,
        rule.alias(RULE),
        F.when(rule.isin(_THRESHOLD, RESTORED), similarity)
        .when(rule == _PER_CLASS, sampling.draw_of_class.of(*by))
        .when(rule == _DRAW, sampling.draw_of_all.of(*by))
        .cast("double")
        .alias(VALUE),
        F.when(rule.isin(_THRESHOLD, RESTORED), F.lit(sampling.threshold))
        .when(rule == _PER_CLASS, F.col(_OF_CLASS)["draw"])
        .when(rule == _DRAW, F.col(_OF_ALL)["draw"])
        .cast("double")
        .alias(THRESHOLD),
    )
