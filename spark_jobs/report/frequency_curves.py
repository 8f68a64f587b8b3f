"""Class frequencies as curves: rows of each class over its rank, on log-log axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from spark_jobs.report.svg import svg

_COLOURS = ("#1f5fa8", "#b3541e", "#4b8b3b", "#7a4fa3", "#8a8a8a")


@dataclass(frozen=True)
class Curve:
    """Rows of each class, in any order, and how the curve is drawn."""

    name: str
    counts: Sequence[int]
    colour: str
    line: str = "-"


def draw_curves(axes: Axes, curves: Sequence[Curve]) -> None:
    """Draw each curve from its most frequent class down; classes without rows have no point."""
    for curve in curves:
        ranked = sorted((n for n in curve.counts if n > 0), reverse=True)
        ranks = range(1, len(ranked) + 1)
        axes.plot(ranks, ranked, curve.line, color=curve.colour, linewidth=1.6, label=curve.name)
    axes.set(xscale="log", yscale="log", xlabel="class, by rank", ylabel="rows")
    if any(any(curve.counts) for curve in curves):
        axes.legend(loc="lower left", fontsize=8)


def frequency_picture(counts: Mapping[str, Sequence[int]]) -> bytes:
    """Draw class frequencies of several data sets as SVG; counts: name -> rows of each class."""
    curves = [
        Curve(name, class_counts, _COLOURS[number % len(_COLOURS)])
        for number, (name, class_counts) in enumerate(counts.items())
    ]

    def draw(axes: list[Axes]) -> None:
        draw_curves(axes[0], curves)
        axes[0].grid(True, which="major", color="#dddddd", linewidth=0.6)
        axes[0].set_axisbelow(True)

    return svg(draw, size=(7.2, 4.8)).encode()
