"""The picture of a balancing plan: rows kept and tail shares over t."""

import pandas as pd
from matplotlib.axes import Axes

from spark_jobs.report.axes import legend_above, log_axis
from spark_jobs.report.palette import AFTER, BEFORE, INK, MARK
from spark_jobs.report.svg import picture_file


def plan_picture(rows: pd.DataFrame, marked_t: int | None) -> bytes:
    """Draw rows kept and tail shares over t (log axis) as SVG.

    rows: schemas.PLAN, sorted by t. marked_t: the t to mark.
    """

    def draw(axes: list[Axes]) -> None:
        above, below = axes
        above.plot(rows["t"], rows["expected_rows"].clip(lower=1), "o-", color=AFTER, ms=4)
        above.set_title("Rows kept", fontsize=10)
        log_axis(above, "y", "expected rows")
        shares = {
            "of all matches": ("tail_fraction", BEFORE, "s--"),
            "of the matches kept": ("kept_tail_fraction", MARK, "o-"),
        }
        for label, (column, colour, line) in shares.items():
            below.plot(rows["t"], 100 * rows[column], line, color=colour, ms=4, label=label)
        below.set(ylim=(0, 103), ylabel="share in the tail (%)")
        below.set_title("Matches in the tail: entries of at most t captions", fontsize=10, pad=20)
        legend_above(below, columns=2)
        log_axis(below, "x", "t: captions per entry above which an entry is head")
        if marked_t is not None:
            _mark_t(axes, marked_t, rows)

    return picture_file(draw, title="What balancing keeps at each t", size=(7.2, 7.0), rows=2)


def _mark_t(axes: list[Axes], t: int, rows: pd.DataFrame) -> None:
    """A line at t in each panel, with the rows that t keeps."""
    for panel in axes:
        panel.axvline(t, color=INK, linewidth=1, linestyle=":")
    kept = rows.loc[rows["t"] == t, "expected_rows"]
    n_rows = f": {int(kept.iloc[0]):,} rows" if len(kept) else ""
    low, high = axes[0].get_xlim()
    is_right = t * t > low * high  # right of the middle of a log axis
    axes[0].annotate(
        f"t = {t:,}{n_rows}",
        (t, 0.05),
        (-5 if is_right else 5, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right" if is_right else "left",
    )
