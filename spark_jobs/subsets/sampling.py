"""What a subset is to hold: the rules by which rows of classes are sampled, and their numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.columns import literal_of, named
from spark_jobs.core.draws import Draw
from spark_jobs.core.errors import InputDataError
from spark_jobs.subsets.class_list import Class
from spark_jobs.subsets.quotas import (
    capped,
    rarest,
    share_of_each,
    shared_out,
    stratified,
    with_short_tail,
)


@dataclass(frozen=True)
class Sampling:
    """What is kept, in this order: what is over the threshold, so many of a class, so many of all.

    A row must have a `similarity` of at least `threshold`. The `tail_classes` rarest classes are
    cut to `tail_rows` rows, every class to `most_per_class`, and those with fewer than
    `least_per_class` are left out. Then `n` rows, or a `fraction`, are drawn of all. Where
    `is_stratified` n are drawn from the classes in proportion, or of each class its fraction, to
    the nearest whole number (half to even). With `keeps_every_class` a stratified draw takes one
    row of a class at least, and each class that threshold or draw emptied gets one row back: that
    with the smallest `restore_by`, else the largest similarity, else the smallest draw; `n` rows
    are n all the same.
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

    def least_similarity(self, rows: DataFrame) -> Column:
        """The threshold in the type of its column, null without one."""
        if self.similarity is None or self.threshold is None:
            return F.lit(None)
        return literal_of(rows, self.similarity, self.threshold)

    def is_over(self, rows: DataFrame) -> Column:
        """Whether a row is over the threshold, which null and NaN are not."""
        if self.similarity is None or self.threshold is None:
            return F.lit(True)
        value = named(self.similarity)  # to Spark NaN is above all numbers
        is_least = value >= self.least_similarity(rows)
        return F.coalesce(is_least & ~F.isnan(value), F.lit(False))


@dataclass(frozen=True)
class Quotas:
    """How many rows each class gets, before those that emptied classes get back.

    of_class: rows of each class. n_of_all: how many of all these rows are drawn whatever their
    class, None for all of them. n_drawable: rows that n or the fraction is drawn from. n_lifted:
    classes of which a stratified draw takes one row though their share rounds to none.
    """

    of_class: Mapping[Class, int]
    n_of_all: int | None
    n_drawable: int
    n_lifted: int = 0


def removed_classes(over: Mapping[Class, int], sampling: Sampling) -> tuple[set[Class], set[Class]]:
    """(classes with fewer rows than the least, those of a tail that is to have none)."""
    few = {key for key, count in over.items() if count < sampling.least_per_class}
    no_tail = set() if sampling.tail_rows else rarest(over, sampling.tail_classes)
    return few, no_tail


def quotas_of(
    over: Mapping[Class, int], removed: set[Class], stays: set[Class], sampling: Sampling
) -> Quotas:
    """The quotas of classes with so many rows over the threshold.

    Raises InputDataError where n rows cannot be had.
    """
    rows = with_short_tail(over, sampling.tail_classes, sampling.tail_rows)
    if sampling.most_per_class is not None:
        rows = capped(rows, sampling.most_per_class)
    rows |= dict.fromkeys(removed, 0)
    total = sum(rows.values())
    if sampling.n is not None:
        _refuse_impossible(sampling.n, total, len(stays))
    if sampling.is_stratified:
        return _stratified(rows, total, stays, sampling)
    if sampling.fraction is not None:
        return Quotas(rows, round(sampling.fraction * total), total)  # half to even, as published
    return Quotas(rows, sampling.n, total)


def _stratified(
    rows: Mapping[Class, int], total: int, stays: set[Class], sampling: Sampling
) -> Quotas:
    """Of n what emptied classes get back counts too, of a fraction not."""
    least = int(sampling.keeps_every_class)
    if sampling.fraction is not None:
        shares = share_of_each(rows, sampling.fraction)
        of_class = {key: max(shares[key], min(least, count)) for key, count in rows.items()}
    else:
        n = (sampling.n or 0) - sum(rows[key] == 0 for key in stays)
        shares = shared_out(n, rows)
        of_class = stratified(rows, n, least=least)
    n_lifted = sum(shares[key] == 0 < of_class[key] for key in rows)
    return Quotas(of_class, None, total, n_lifted)


def _refuse_impossible(n: int, total: int, n_classes: int) -> None:
    if n > total:
        raise InputDataError(f"n = {n:,}, but there are only {total:,} rows to draw from")
    if n < n_classes:
        raise InputDataError(
            f"n = {n:,} is less than the {n_classes:,} classes that have rows, each of which "
            "keeps one: give a larger n, or --no-keep-every-class"
        )
