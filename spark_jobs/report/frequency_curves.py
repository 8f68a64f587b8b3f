"""Class frequencies as curves: rows of each class over its rank, on log-log axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from spark_jobs.report.axes import legend_above, log_axis
from spark_jobs.report.palette import SERIES
from spark_jobs.report.svg import picture_file


@dataclass(frozen=True)
class Curve:
    """Rows of each class, in any order, and how the curve is drawn; `width` in points."""

    name: str
    counts: Sequence[int]
    colour: str
    line: str = "-"
    width: float = 1.6
    opacity: float = 1.0


def draw_curves(axes: Axes, curves: Sequence[Curve], label: str = "rows per class") -> None:
    """Draw each curve from its most frequent class down; classes without rows have no point."""
    for curve in curves:
        ranked = sorted((n for n in curve.counts if n > 0), reverse=True)
        axes.plot(
            range(1, len(ranked) + 1),
            ranked,
            curve.line,
            color=curve.colour,
            linewidth=curve.width,
            alpha=curve.opacity,
            label=curve.name,
        )
    log_axis(axes, "x", "rank of the class")
    log_axis(axes, "y", label)
    if any(any(curve.counts) for curve in curves):
        legend_above(axes, columns=3 if len(curves) > 1 else 1)


def frequency_picture(counts: Mapping[str, Sequence[int]]) -> bytes:
    """Draw class frequencies of several data sets as SVG; counts: name -> rows of each class."""
    curves = [
        Curve(name, class_counts, SERIES[number % len(SERIES)])
        for number, (name, class_counts) in enumerate(counts.items())
    ]

    def draw(axes: list[Axes]) -> None:
        draw_curves(axes[0], curves)

    return picture_file(draw, title="Rows of each class", size=(7.2, 5.0), rows=1)
