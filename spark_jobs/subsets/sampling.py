"""The rules by which a subset of labelled rows is sampled, and the row quotas they give."""

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.columns import literal_of, named
from spark_jobs.core.draws import Draw
from spark_jobs.core.errors import InputDataError
from spark_jobs.subsets.class_list import Class
from spark_jobs.subsets.quotas import (
    apportion,
    capped,
    rarest,
    share_of_each,
    stratified,
    with_short_tail,
)


@dataclass(frozen=True)
class Sampling:
    """The rules of a subset, applied in this order: threshold, rows per class, rows in all.

    1. A row must have a `similarity` of at least `threshold`.
    2. The `tail_classes` rarest classes are cut to `tail_rows` rows, every class to
       `most_per_class`; classes with fewer than `least_per_class` rows are left out.
    3. `n` rows, or a `fraction` of them, are drawn from all. If `is_stratified`, the n rows are
       shared among the classes in proportion, or each class keeps its fraction, rounded to the
       nearest whole number (half to even).
    4. With `keeps_every_class` a stratified draw takes at least one row of each class, and each
       class emptied by threshold or draw gets one row back: that with the smallest `restore_by`,
       else the largest similarity, else the smallest draw. `n` still counts all rows.
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
        """The draw that orders the rows inside their class."""
        return self.draw.step("class")

    @property
    def draw_of_all(self) -> Draw:
        """The draw that orders all rows, whatever their class."""
        return self.draw.step("all")

    def least_similarity(self, rows: DataFrame) -> Column:
        """The threshold as a literal of the column's type, null without a threshold."""
        if self.similarity is None or self.threshold is None:
            return F.lit(None)
        return literal_of(rows, self.similarity, self.threshold)

    def is_over(self, rows: DataFrame) -> Column:
        """Whether a row's similarity is at least the threshold; null and NaN are not."""
        if self.similarity is None or self.threshold is None:
            return F.lit(True)
        similarity = named(self.similarity)
        is_enough = similarity >= self.least_similarity(rows)  # Spark has NaN above all numbers
        return F.coalesce(is_enough & ~F.isnan(similarity), F.lit(False))


@dataclass(frozen=True)
class Quotas:
    """How many rows each class gets, before emptied classes get a row back.

    of_class: rows of each class. n_of_all: how many of these rows are then drawn whatever their
    class, None for all of them. n_drawable: number of rows that n or the fraction is drawn from.
    n_lifted: number of classes that get one row in a stratified draw though their share rounds to
    none.
    """

    of_class: Mapping[Class, int]
    n_of_all: int | None
    n_drawable: int
    n_lifted: int = 0


def removed_classes(
    n_over: Mapping[Class, int], sampling: Sampling
) -> tuple[set[Class], set[Class]]:
    """Classes that keep no row: (those below the minimum, those of a tail without rows).

    n_over: rows of each class over the threshold.
    """
    too_small = {key for key, count in n_over.items() if count < sampling.least_per_class}
    without_tail = set() if sampling.tail_rows else rarest(n_over, sampling.tail_classes)
    return too_small, without_tail


def class_quotas(
    n_over: Mapping[Class, int], removed: set[Class], must_stay: set[Class], sampling: Sampling
) -> Quotas:
    """The quotas of classes, from the rows that each has over the threshold.

    must_stay: classes that keep at least one row. Raises InputDataError if there are fewer than n
    rows, or more than n classes that must stay.
    """
    counts = with_short_tail(n_over, sampling.tail_classes, sampling.tail_rows)
    if sampling.most_per_class is not None:
        counts = capped(counts, sampling.most_per_class)
    counts |= dict.fromkeys(removed, 0)
    total = sum(counts.values())
    if sampling.n is not None:
        _refuse_impossible(sampling.n, total, len(must_stay))
    if sampling.is_stratified:
        return _stratified(counts, total, must_stay, sampling)
    if sampling.fraction is not None:
        n_of_all = round(sampling.fraction * total)  # half to even, as published
        return Quotas(counts, n_of_all, total)
    return Quotas(counts, sampling.n, total)


def _stratified(
    counts: Mapping[Class, int], total: int, must_stay: set[Class], sampling: Sampling
) -> Quotas:
    """Quotas of a stratified draw; rows given back to emptied classes count towards n only."""
    least = int(sampling.keeps_every_class)
    if sampling.fraction is not None:
        shares = share_of_each(counts, sampling.fraction)
        of_class = {key: max(shares[key], min(least, count)) for key, count in counts.items()}
    else:
        n = (sampling.n or 0) - sum(counts[key] == 0 for key in must_stay)
        shares = apportion(n, counts)
        of_class = stratified(counts, n, least=least)
    n_lifted = sum(shares[key] == 0 < of_class[key] for key in counts)
    return Quotas(of_class, None, total, n_lifted)


def _refuse_impossible(n: int, total: int, n_classes: int) -> None:
    if n > total:
        raise InputDataError(f"n = {n:,}, but there are only {total:,} rows to draw from")
    if n < n_classes:
        raise InputDataError(
            f"n = {n:,} is less than the {n_classes:,} classes that have rows, each of which "
            "keeps one: give a larger n, or --no-keep-every-class"
        )
