"""From settings to t, and from t to the threshold of each entry."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from spark_jobs.balancing.counted_entries import CountedEntries
from spark_jobs.balancing.thresholds import (
    expected_rows,
    t_at_tail_fraction,
    t_at_tail_fraction_by_language,
    t_by_language,
    t_for_rows,
)
from spark_jobs.errors import InputDataError
from spark_jobs.schemas import EXPECTED_ROWS, T
from spark_jobs.threshold_settings import LanguageSettings, ThresholdSettings

Thresholds: TypeAlias = int | NDArray[np.int64]  # one for all entries, or (n_entries,)


def find_thresholds(
    settings: ThresholdSettings, matches: DataFrame, counted: CountedEntries
) -> tuple[int, Thresholds]:
    """The t of the settings, or the one that they ask for, and what it means for each entry.

    By language the t is that of the reference language.
    """
    counts, of_t = counted.counts, thresholds_of(settings, counted, settings.tail_fraction)
    if settings.t is not None:
        return settings.t, of_t(settings.t)
    if settings.tail_fraction is not None:
        if settings.by_language:
            counts = counted.by_language()[settings.reference_language]
        t = max(1, t_at_tail_fraction(counts, tail_fraction=settings.tail_fraction))
        return t, of_t(t)

    def expected(ts: list[int]) -> dict[int, float]:
        rows = expected_rows(matches, counts, {t: of_t(t) for t in ts}).collect()
        return {row[T]: row[EXPECTED_ROWS] for row in rows}

    t = t_for_target(expected, settings.target_rows or 0, int(counts.max(initial=1)))
    return t, of_t(t)


def t_for_target(expected: Callable[[list[int]], dict[int, float]], rows: int, t_max: int) -> int:
    """`t_for_rows`; InputDataError where more rows are wanted than match any entry."""
    available = round(expected([t_max]).get(t_max, 0.0))
    if rows > available:
        raise InputDataError(f"target_rows = {rows}: only {available} rows match an entry")
    return t_for_rows(expected, rows=rows, t_max=t_max)


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
