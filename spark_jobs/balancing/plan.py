"""Estimate what balancing would keep at each t, from entry counts and a sample of the matches."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spark_jobs.balancing.keep import match_probability
from spark_jobs.core.schemas import (
    DRAWS_WON,
    EXPECTED_BYTES,
    EXPECTED_MATCHES,
    EXPECTED_ROWS,
    PLAN,
    T,
)

PAPERS = ("MetaCLIP, figures 2 and 3: what each t would keep of head and tail",)


def round_ts(at_least: int) -> list[int]:
    """Round values of t: 1, 2, 5, 10, 20, 50 ... up to the first that is `at_least` or more."""
    ts = [1]
    while ts[-1] < at_least:
        ts.append(ts[-1] * 5 // 2 if str(ts[-1])[0] == "2" else ts[-1] * 2)
    return ts


def scale_to_all_matches(
    sample_sums: pd.DataFrame,
    entry_counts: NDArray[np.int64],
    own_counts: NDArray[np.int64],
    thresholds: Mapping[int, int | NDArray[np.int64]],
) -> pd.DataFrame:
    """Scale schemas.EXPECTED of a sample up to all matches, a row per t (a ratio estimator).

    `own_counts`: (n_entries,), counts of the matches themselves, while `entry_counts` may be of
    more captions. draws_won of all matches is exact: the sum of own_count * t / max(entry_count,
    t). The sample gives only the ratio of rows to draws_won, so that the few captions of tail
    entries, which are kept for sure, add no variance. Exact if the sample is all matches.
    """
    scaled = sample_sums.copy()
    for row, t in enumerate(sample_sums[T]):
        all_won = float((match_probability(entry_counts, t=thresholds[t]) * own_counts).sum())
        sample_won = sample_sums[DRAWS_WON].iloc[row]
        scale = all_won / sample_won if sample_won else 0.0
        for name in (EXPECTED_ROWS, EXPECTED_MATCHES, EXPECTED_BYTES, DRAWS_WON):
            scaled.loc[scaled.index[row], name] = sample_sums[name].iloc[row] * scale
    return scaled


def plan(
    expected: pd.DataFrame,
    entry_counts: NDArray[np.int64],
    own_counts: NDArray[np.int64],
    thresholds: Mapping[int, int | NDArray[np.int64]],
    *,
    has_bytes: bool,
) -> pd.DataFrame:
    """schemas.PLAN, by t: `expected`, the tail's share of matches before and after, head entries.

    The tail are the entries of at most t captions, all of which are kept. The shares are of the
    matches themselves (`own_counts`); `entry_counts` decide which entries are in the tail. Both of
    shape (n_entries,).
    """
    plan_rows: list[Sequence[object]] = []
    at_t: Any
    for at_t in expected.sort_values(T).itertuples():
        entry_ts = thresholds[at_t.t]
        tail_matches = int(own_counts[entry_counts <= entry_ts].sum())
        all_matches = int(own_counts.sum())
        plan_rows.append(
            (
                at_t.t,
                round(at_t.expected_rows),
                round(at_t.expected_bytes) if has_bytes else None,
                tail_matches / all_matches if all_matches else 0.0,
                min(1.0, tail_matches / at_t.expected_matches) if at_t.expected_matches else 0.0,
                int((entry_counts > entry_ts).sum()),
            )
        )
    return pd.DataFrame(plan_rows, columns=PLAN.names)


# What the columns are, under the table.
_LEGEND = (
    "  tail: share of matches in entries of at most t captions; kept tail: the same",
    "  of what is kept; head: number of entries of more than t captions. A head entry",
    "  can keep more than t: a caption stays if any of its entries wants it.",
)


def plan_lines(plan_rows: pd.DataFrame, marked_t: int | None) -> list[str]:
    """The plan as a table for a terminal, at most 80 columns wide; `marked_t` gets a mark."""
    header = f"{'t':>13}{'rows':>15}{'caption bytes':>17}{'tail':>8}{'kept tail':>11}{'head':>12}"
    rows = [_line(row, row.t == marked_t) for row in plan_rows.itertuples()]
    return [header, *rows, *_LEGEND]


def _line(row: Any, is_marked: bool) -> str:
    size = "-" if pd.isna(row.expected_bytes) else f"{int(row.expected_bytes):,}"
    return (
        f"{'> ' if is_marked else ''}{row.t:,}".rjust(13)
        + f"{row.expected_rows:>15,}{size:>17}{row.tail_fraction:>8.1%}"
        + f"{row.kept_tail_fraction:>11.1%}{row.head_entries:>12,}"
    )
