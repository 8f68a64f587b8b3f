"""The picture of a balancing plan: rows kept and tail shares over t."""

import pandas as pd
from matplotlib.axes import Axes

from spark_jobs.report.svg import svg

_ROWS_COLOUR, _TAIL_COLOUR, _BEFORE_COLOUR = "#1f5fa8", "#b3541e", "#8a8a8a"


def plan_picture(rows: pd.DataFrame, marked_t: int | None) -> bytes:
    """Draw rows kept and tail shares over t (log axis) as SVG.

    rows: schemas.PLAN, sorted by t. marked_t: the t to mark.
    """

    def draw(axes: list[Axes]) -> None:
        above, below = axes
        above.plot(rows["t"], rows["expected_rows"].clip(lower=1), "o-", color=_ROWS_COLOUR, ms=4)
        above.set(xscale="log", yscale="log", ylabel="rows kept (expected)")
        below.plot(rows["t"], 100 * rows["tail_fraction"], "s--", color=_BEFORE_COLOUR, ms=4)
        below.plot(rows["t"], 100 * rows["kept_tail_fraction"], "o-", color=_TAIL_COLOUR, ms=4)
        below.legend(["of all matches", "of what is kept"], title="matches in the tail")
        below.set(xlabel="t: captions per entry above which an entry is head", ylim=(0, 103))
        below.set_ylabel("share in the tail (%)")
        for panel in axes:
            panel.grid(True, which="major", color="#dddddd", linewidth=0.6)
            if marked_t is not None:
                panel.axvline(marked_t, color="#444444", linewidth=1, linestyle=":")
        if marked_t is not None:
            above.annotate(
                f"t = {marked_t:,}",
                (marked_t, 0.04),
                (5, 0),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
            )

    return svg(draw, size=(7.2, 6.4), rows=2).encode()
