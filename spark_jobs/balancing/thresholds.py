"""Find the threshold t for a tail share, per language, or for a number of rows.

MetaCLIP 2 (Chuang et al. 2025, section 3.3) has one tail share for all languages: that of English
at its t. Each other language gets the t that gives it this share.

An entry is head if more than t captions match it, else tail. The published code counts otherwise
in one place, where it takes the share of English (`share_below`): there an entry of exactly t
captions is not in the tail. This decides the published t of each language, so it stays; shares that
are shown to a user are of the tail as defined above.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.balancing.keep import match_probability
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import CAPTION_BYTES, CAPTION_ROWS, ENTRY_IDS, EXPECTED, T
from udfs.balance_matches import sum_expected

PAPERS = ("MetaCLIP 2, section 3.3: t of each language, by one share of the tail",)

_CANDIDATES = 17  # values of t per pass
_TOLERANCE = 1e-3  # of the wished number of rows


def share_below(entry_counts: NDArray[np.int64], *, t: int) -> float:
    """Share (0-1) of matches in entries of fewer than t captions; nan without matches.

    MetaCLIP 2's t_to_p, which leaves out the entries of exactly t captions.
    """
    total = entry_counts.sum()
    return float(entry_counts[entry_counts < t].sum() / total) if total else float("nan")


def t_at_tail_fraction(entry_counts: NDArray[np.int64], *, tail_fraction: float) -> int:
    """The count up to which the entries, rarest first, have a share closest to `tail_fraction`.

    MetaCLIP 2's p_to_t. Always one of the counts, the smallest on a tie; so with many equal counts
    its share can be far from `tail_fraction`. 0 if all counts are 0.
    """
    ascending = np.sort(entry_counts)
    total = ascending.sum()
    if not total:
        return 0
    shares = np.cumsum(ascending) / total
    return int(ascending[np.abs(shares - tail_fraction).argmin()])


def t_by_language(
    entry_counts: Mapping[str, NDArray[np.int64]], *, t: int, reference: str = "en"
) -> dict[str, int]:
    """Each language's t for the share that the reference language has below `t` (MetaCLIP 2).

    A language without matches gets 0, as in the published code.
    """
    share = share_below(entry_counts[reference], t=t)
    ts = t_at_tail_fraction_by_language(entry_counts, tail_fraction=share)
    return ts | {reference: t}


def t_at_tail_fraction_by_language(
    entry_counts: Mapping[str, NDArray[np.int64]], *, tail_fraction: float
) -> dict[str, int]:
    """`t_at_tail_fraction` of each language."""
    return {
        lang: t_at_tail_fraction(counts, tail_fraction=tail_fraction)
        for lang, counts in entry_counts.items()
    }


def expected_rows(
    matches: DataFrame,
    entry_counts: NDArray[np.int64],
    thresholds: Mapping[int, int | NDArray[np.int64]],
) -> DataFrame:
    """What balancing is expected to keep of `matches` at each t: schemas.EXPECTED.

    `entry_counts`: (n_entries,), index = entry_id. `thresholds`: t -> thresholds of the entries,
    one for all or (n_entries,). A row of the matches stands for caption_rows rows of the captions,
    1 without that column; expected bytes are from the column caption_bytes, 0 without it.
    """
    probabilities = {
        t: match_probability(entry_counts, t=entry_ts) for t, entry_ts in thresholds.items()
    }
    weights = [name for name in (CAPTION_ROWS, CAPTION_BYTES) if name in matches.columns]
    rows = matches.select(ENTRY_IDS, *weights)
    sum_in_task = sum_expected(
        probabilities, n_rows=CAPTION_ROWS, n_bytes=CAPTION_BYTES, names=EXPECTED.names
    )
    task_sums = map_in_arrow(rows, sum_in_task, EXPECTED)
    totals = [F.sum(name).alias(name) for name in EXPECTED.names if name != T]
    return task_sums.groupBy(T).agg(*totals)


def t_for_rows(
    rows_by_t: Callable[[list[int]], dict[int, float]], *, rows: int, t_max: int
) -> tuple[int, float]:
    """The t whose expected rows are closest to `rows`, and its expected rows.

    Stops early at a t within a thousandth of `rows`. `rows_by_t` gives the rows expected at each
    t, which grow with t; it is called with 17 values at a time, so that a handful of passes finds
    one t among millions. `t_max`: the largest count.
    """
    low, high = 1, max(t_max, 1)
    while True:
        candidates = sorted({int(t) for t in np.geomspace(low, high, _CANDIDATES).round()})
        expected = rows_by_t(candidates)
        best = min(expected, key=lambda t: (abs(expected[t] - rows), t))
        below = max((t for t in expected if expected[t] < rows), default=low)
        above = min((t for t in expected if expected[t] >= rows), default=high)
        if abs(expected[best] - rows) <= _TOLERANCE * rows or above - below <= 1:
            return best, expected[best]
        if (below, above) == (low, high):
            return best, expected[best]
        low, high = below, above
