"""What balancing would keep at each t, estimated from the counts and a sample of the matches."""

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


def round_ts(most: int) -> list[int]:
    """1, 2, 5, 10, 20, 50 ... up to the first that is at least `most`."""
    ts = [1]
    while ts[-1] < most:
        ts.append(ts[-1] * 5 // 2 if str(ts[-1])[0] == "2" else ts[-1] * 2)
    return ts


def whole_of_sample(
    sums: pd.DataFrame,
    entry_counts: NDArray[np.int64],
    own_counts: NDArray[np.int64],
    thresholds: Mapping[int, int | NDArray[np.int64]],
) -> pd.DataFrame:
    """schemas.EXPECTED of a sample scaled up to all matches, a row per t.

    `own_counts`: (n_entries,), those of the matches themselves, where `entry_counts` may be of more
    captions. All matches that would keep their caption alone follow from them: the sum of
    own_count * t / max(entry_count, t). The sample only tells how many rows come with them (a ratio
    estimator), so that the rare captions that tail entries keep for sure do not make the estimate
    vary. Exact where the sample is everything.
    """
    scaled = sums.copy()
    for row, t in enumerate(sums[T]):
        all_won = float((match_probability(entry_counts, t=thresholds[t]) * own_counts).sum())
        won = sums[DRAWS_WON].iloc[row]
        scale = all_won / won if won else 0.0
        for name in (EXPECTED_ROWS, EXPECTED_MATCHES, EXPECTED_BYTES, DRAWS_WON):
            scaled.loc[scaled.index[row], name] = sums[name].iloc[row] * scale
    return scaled


def plan(
    expected: pd.DataFrame,
    entry_counts: NDArray[np.int64],
    own_counts: NDArray[np.int64],
    thresholds: Mapping[int, int | NDArray[np.int64]],
    *,
    has_bytes: bool,
) -> pd.DataFrame:
    """schemas.PLAN, by t: `expected` with the tail's share before and after, and the head.

    The shares are of the matches themselves (`own_counts`); which entries are in the tail is said
    by `entry_counts`. Both of shape (n_entries,).
    """
    rows: list[Sequence[object]] = []
    found: Any
    for found in expected.sort_values(T).itertuples():
        limits = thresholds[found.t]
        in_tail, in_all = int(own_counts[entry_counts < limits].sum()), int(own_counts.sum())
        rows.append(
            (
                found.t,
                round(found.expected_rows),
                round(found.expected_bytes) if has_bytes else None,
                in_tail / in_all if in_all else 0.0,
                min(1.0, in_tail / found.expected_matches) if found.expected_matches else 0.0,
                int((entry_counts > limits).sum()),
            )
        )
    return pd.DataFrame(rows, columns=PLAN.names)


def plan_lines(rows: pd.DataFrame, wanted: int | None) -> list[str]:
    """A table for a terminal, at most 80 columns wide; `wanted`: the t to mark."""
    header = f"{'t':>13}{'rows':>15}{'caption bytes':>17}{'tail':>8}{'kept tail':>11}{'head':>12}"
    return [header, *(_line(row, row.t == wanted) for row in rows.itertuples())]


def _line(row: Any, is_wanted: bool) -> str:
    size = "-" if pd.isna(row.expected_bytes) else f"{int(row.expected_bytes):,}"
    return (
        f"{'> ' if is_wanted else ''}{row.t:,}".rjust(13)
        + f"{row.expected_rows:>15,}{size:>17}{row.tail_fraction:>8.1%}"
        + f"{row.kept_tail_fraction:>11.1%}{row.head_entries:>12,}"
    )
