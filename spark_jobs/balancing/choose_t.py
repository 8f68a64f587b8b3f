"""Choose t by the user's settings, and derive the threshold of each entry from it."""

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

_TOLERANCE = 0.01  # of target_rows; the user is told of larger differences only


@dataclass(frozen=True)
class ChosenT:
    """The chosen t and the threshold of each entry.

    `t`: that of the reference language where each language has its own. `expected_rows`: expected
    rows of the output, only where t was chosen by `target_rows`.
    """

    t: int
    thresholds: Thresholds
    expected_rows: int | None = None

    def counts(self) -> dict[str, int]:
        """T and the expected rows, for the counts of the run."""
        expected = {} if self.expected_rows is None else {EXPECTED_ROWS: self.expected_rows}
        return {T: self.t, **expected}


def choose_t(settings: ThresholdSettings, matches: DataFrame, counted: CountedEntries) -> ChosenT:
    """The t of the settings, or the t for their tail_fraction or target_rows.

    `matches`: as `thresholds.expected_rows` takes them; read only for target_rows.
    """
    counts = counted.counts
    thresholds_at = entry_thresholds(settings, counted, settings.tail_fraction)
    if settings.t is not None:
        return ChosenT(settings.t, thresholds_at(settings.t))
    if settings.tail_fraction is not None:
        if settings.by_language:
            counts = counted.by_language()[settings.reference_language]
        t = max(1, t_at_tail_fraction(counts, tail_fraction=settings.tail_fraction))
        return ChosenT(t, thresholds_at(t))

    def rows_by_t(ts: list[int]) -> dict[int, float]:
        rows = expected_rows(matches, counts, {t: thresholds_at(t) for t in ts}).collect()
        return {row[T]: row[EXPECTED_ROWS] for row in rows}

    t, n_rows = t_for_target(rows_by_t, settings.target_rows or 0, largest_t(settings, counted))
    return ChosenT(t, thresholds_at(t), n_rows)


def largest_t(settings: LanguageSettings, counted: CountedEntries) -> int:
    """The smallest t at which no entry is head; a larger t keeps no more rows.

    By language: one more than the largest count of the reference language. All of its matches are
    then below t (`share_below`), so that no entry of another language is head either.
    """
    if not settings.by_language:
        return int(counted.counts.max(initial=1))
    reference_counts = counted.by_language().get(settings.reference_language, counted.counts)
    return int(reference_counts.max(initial=0)) + 1


def t_for_target(
    rows_by_t: Callable[[list[int]], dict[int, float]], target_rows: int, t_max: int
) -> tuple[int, int]:
    """The t of `t_for_rows`, and the rows expected at it.

    `t_max` keeps all rows that match an entry: raises InputDataError if these are fewer than
    `target_rows`.
    """
    n_matched = round(rows_by_t([t_max]).get(t_max, 0.0))
    if target_rows > n_matched:
        raise InputDataError(f"target_rows = {target_rows}: only {n_matched} rows match an entry")
    t, n_expected = t_for_rows(rows_by_t, rows=target_rows, t_max=t_max)
    return t, round(n_expected)


def target_lines(target_rows: int | None, counts: Mapping[str, int]) -> list[str]:
    """A line for the user if no t keeps about target_rows, else none; `counts` of the run."""
    if target_rows is None or EXPECTED_ROWS not in counts:
        return []
    t, n_expected = counts[T], counts[EXPECTED_ROWS]
    if t == 1 and n_expected > (1 + _TOLERANCE) * target_rows:
        return [
            f"  t = 1 already keeps about {n_expected:,} rows, more than target_rows = "
            f"{target_rows:,}: rare entries keep all of theirs; sample-subset draws fewer"
        ]
    if abs(n_expected - target_rows) > max(1, _TOLERANCE * target_rows):
        return [
            f"  no t keeps target_rows = {target_rows:,}: the nearest, {t:,}, keeps about "
            f"{n_expected:,}"
        ]
    return []


def entry_thresholds(
    settings: LanguageSettings, counted: CountedEntries, tail_fraction: float | None = None
) -> Callable[[int], Thresholds]:
    """A function from t to the entries' thresholds: t itself, or that of each entry's language.

    By language (MetaCLIP 2) they follow from t of the reference language, or from `tail_fraction`
    where it is set. Raises InputDataError if no entry is of the reference language.
    """
    if not settings.by_language:
        return lambda t: t
    counts, reference = counted.by_language(), settings.reference_language
    if reference not in counts:
        raise InputDataError(
            f"reference_language = {reference!r}: the entries are of "
            f"{', '.join(counts) or 'no language'}; build the bank with a column lang"
        )

    def thresholds_at(t: int) -> NDArray[np.int64]:
        if tail_fraction is None:
            return counted.thresholds(t_by_language(counts, t=t, reference=reference))
        return counted.thresholds(
            t_at_tail_fraction_by_language(counts, tail_fraction=tail_fraction)
        )

    return thresholds_at
