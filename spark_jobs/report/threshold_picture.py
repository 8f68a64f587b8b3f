"""The picture of a threshold plan: the scores, and what each threshold keeps."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from spark_jobs.report.svg import svg
from spark_jobs.scoring.thresholds import informative_thresholds

_BARS, _ROWS, _MEAN = "#8a8a8a", "#1f5fa8", "#b3541e"


def threshold_picture(rows: pd.DataFrame, bars: Mapping[float, int]) -> bytes:
    """Draw the histogram, the rows kept, and the mean similarity inside a class as SVG.

    rows: schemas.SIMILARITY_PLAN, sorted by threshold. bars: left edge of a bin -> rows.
    """

    def draw(axes: list[Axes]) -> None:
        top, middle, bottom = axes
        top.bar(list(bars), list(bars.values()), width=0.02, align="edge", color=_BARS)
        top.set_ylabel("rows with this score")
        kept = informative_thresholds(rows)
        middle.plot(kept["threshold"], kept["rows"], "o-", color=_ROWS, ms=4)
        middle.set(ylabel="rows at or above it", ylim=(0, None))
        bottom.plot(kept["threshold"], kept["class_similarity"], "o-", color=_MEAN, ms=4)
        bottom.set(xlabel="threshold", ylabel="mean inside a class")
        for panel in axes:
            panel.grid(True, which="major", color="#dddddd", linewidth=0.6)
            panel.set_axisbelow(True)

    return svg(draw, size=(7.2, 8.0), rows=3).encode()
