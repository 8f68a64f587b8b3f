"""From settings to t, and from t to the threshold of each entry."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from spark_jobs.balancing.counted_entries import CountedEntries
from spark_jobs.balancing.t_settings import LanguageSettings, ThresholdSettings
from spark_jobs.balancing.thresholds import (
    expected_rows,
    t_at_tail_fraction,
    t_at_tail_fraction_by_language,
    t_by_language,
    t_for_rows,
)
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import EXPECTED_ROWS, T

Thresholds: TypeAlias = int | NDArray[np.int64]  # one for all entries, or (n_entries,)

_NEAR = 0.01  # of target_rows: a difference below it needs no words


@dataclass(frozen=True)
class ChosenT:
    """A t, by language that of the reference language, and what it means for each entry.

    `expected_rows`: rows of the output expected at t, where t was chosen for their number.
    """

    t: int
    thresholds: Thresholds
    expected_rows: int | None = None

    def counts(self) -> dict[str, int]:
        """What a run's counts say of it."""
        expected = {} if self.expected_rows is None else {EXPECTED_ROWS: self.expected_rows}
        return {T: self.t, **expected}


def find_thresholds(
    settings: ThresholdSettings, matches: DataFrame, counted: CountedEntries
) -> ChosenT:
    """The t of the settings, or the one that they ask for, and what it means for each entry.

    `matches`: as `thresholds.expected_rows` takes them; read where a number of rows is wanted.
    """
    counts, of_t = counted.counts, thresholds_of(settings, counted, settings.tail_fraction)
    if settings.t is not None:
        return ChosenT(settings.t, of_t(settings.t))
    if settings.tail_fraction is not None:
        if settings.by_language:
            counts = counted.by_language()[settings.reference_language]
        t = max(1, t_at_tail_fraction(counts, tail_fraction=settings.tail_fraction))
        return ChosenT(t, of_t(t))

    def expected(ts: list[int]) -> dict[int, float]:
        rows = expected_rows(matches, counts, {t: of_t(t) for t in ts}).collect()
        return {row[T]: row[EXPECTED_ROWS] for row in rows}

    t, rows = t_for_target(expected, settings.target_rows or 0, largest_t(settings, counted))
    return ChosenT(t, of_t(t), rows)


def largest_t(settings: LanguageSettings, counted: CountedEntries) -> int:
    """The smallest t that leaves no entry in the head: a larger one keeps no more rows.

    By language it is above every count of the reference language: all its matches are then in the
    tail, which leaves no entry of another language in the head either.
    """
    if not settings.by_language:
        return int(counted.counts.max(initial=1))
    of_reference = counted.by_language().get(settings.reference_language, counted.counts)
    return int(of_reference.max(initial=0)) + 1


def t_for_target(
    expected: Callable[[list[int]], dict[int, float]], rows: int, t_max: int
) -> tuple[int, int]:
    """`t_for_rows`, and the rows expected at that t.

    Raises InputDataError where more rows are wanted than `t_max` keeps, which is all that match.
    """
    available = round(expected([t_max]).get(t_max, 0.0))
    if rows > available:
        raise InputDataError(f"target_rows = {rows}: only {available} rows match an entry")
    t, at_t = t_for_rows(expected, rows=rows, t_max=t_max)
    return t, round(at_t)


def target_lines(target_rows: int | None, counts: Mapping[str, int]) -> list[str]:
    """What people should know where a run keeps other than the number of rows that they wished."""
    if target_rows is None or EXPECTED_ROWS not in counts:
        return []
    t, expected = counts[T], counts[EXPECTED_ROWS]
    if t == 1 and expected > (1 + _NEAR) * target_rows:
        return [
            f"  t = 1 already keeps about {expected:,} rows, more than target_rows = "
            f"{target_rows:,}: rare entries keep all of theirs; sample-subset draws fewer"
        ]
    if abs(expected - target_rows) > max(1, _NEAR * target_rows):
        return [
            f"  no t keeps target_rows = {target_rows:,}: the nearest, {t:,}, keeps about "
            f"{expected:,}"
        ]
    return []


def thresholds_of(
    settings: LanguageSettings, counted: CountedEntries, tail_fraction: float | None = None
) -> Callable[[int], Thresholds]:
    """What a t means for the entries: itself, or by language the t of each entry's language."""
    if not settings.by_language:
        return lambda t: t
    counts, reference = counted.by_language(), settings.reference_language
    if reference not in counts:
        raise InputDataError(
            f"reference_language = {reference!r}: the entries are of "
            f"{', '.join(counts) or 'no language'}; build the bank with a column lang"
        )

    def of_t(t: int) -> NDArray[np.int64]:
        if tail_fraction is None:
            return counted.thresholds(t_by_language(counts, t=t, reference=reference))
        return counted.thresholds(
            t_at_tail_fraction_by_language(counts, tail_fraction=tail_fraction)
        )

    return of_t
