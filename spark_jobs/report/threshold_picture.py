"""The picture of a threshold plan: the scores, and what each threshold keeps."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from spark_jobs.report.axes import count_axis
from spark_jobs.report.palette import AFTER, BEFORE, FOURTH, MARK
from spark_jobs.report.svg import picture_file
from spark_jobs.scoring.thresholds import informative_thresholds


def threshold_picture(rows: pd.DataFrame, bars: Mapping[float, int]) -> bytes:
    """Draw the histogram, the rows, the classes and the mean similarity inside one as SVG.

    rows: schemas.SIMILARITY_PLAN, sorted by threshold. bars: left edge of a bin -> rows.
    """

    def draw(axes: list[Axes]) -> None:
        top, by_rows, by_classes, bottom = axes
        top.bar(list(bars), list(bars.values()), width=0.02, align="edge", color=BEFORE)
        count_axis(top, "y", "rows per 0.02")
        kept = informative_thresholds(rows)
        by_rows.plot(kept["threshold"], kept["rows"], "o-", color=AFTER, ms=4)
        count_axis(by_rows, "y", "rows")
        by_classes.plot(kept["threshold"], kept["classes"], "o-", color=FOURTH, ms=4)
        count_axis(by_classes, "y", "classes")
        bottom.plot(kept["threshold"], kept["class_similarity"], "o-", color=MARK, ms=4)
        bottom.set(xlabel="threshold on the similarity (cosine, -1 to 1)", ylabel="similarity")
        titles = (
            "Rows with this similarity",
            "Rows at or above a threshold",
            "Classes with a row at or above it",
            "Mean similarity inside a class (mean over classes of their mean)",
        )
        for panel, title in zip(axes, titles, strict=True):
            panel.set_title(title, fontsize=10)

    title = "What each threshold on the similarity keeps"
    return picture_file(draw, title=title, size=(7.2, 9.6), rows=4)
