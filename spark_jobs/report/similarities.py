"""Similarity scores and what each threshold keeps (LAIONet, Shirali & Hardt 2023)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes

from spark_jobs.report.blocks import Block, Figure, Note
from spark_jobs.report.charts import AFTER, BEFORE, MARK, chart


@dataclass(frozen=True)
class SimilarityPlan:
    """The plan of a threshold and the histogram of the scores.

    rows: (threshold, rows at or above it, mean similarity inside a class). bars: left edge of a bin
    -> rows. used: the threshold that the rows were filtered by, None if they were not.
    """

    rows: Sequence[tuple[float, int, float]]
    bars: Mapping[float, int]
    used: float | None = None


def similarity_pictures(plan: SimilarityPlan) -> list[Block]:
    """Figures: the histogram of scores, and rows and intra-class similarity by threshold."""
    if not plan.bars:
        return [Note("No row has a score: there is nothing to draw.")]
    return [
        Figure("Scores", _histogram(plan), _description(plan)),
        Figure("Rows at or above a threshold", _rows(plan)),
        Figure("Mean similarity inside a class", _means(plan)),
    ]


def _histogram(plan: SimilarityPlan) -> Markup:
    def draw(axes: Axes) -> None:
        bars = plan.bars
        axes.bar(list(bars), list(bars.values()), width=0.02, align="edge", color=BEFORE)
        axes.set(xlabel="score", ylabel="rows")
        _mark_threshold(axes, plan.used)

    return chart(draw, "Histogram of the scores")


def _rows(plan: SimilarityPlan) -> Markup:
    def draw(axes: Axes) -> None:
        axes.plot([r[0] for r in plan.rows], [r[1] for r in plan.rows], "o-", color=AFTER, ms=4)
        axes.set(xlabel="threshold", ylabel="rows at or above it", ylim=(0, None))
        _mark_threshold(axes, plan.used)

    return chart(draw, "Rows at or above each threshold")


def _means(plan: SimilarityPlan) -> Markup:
    def draw(axes: Axes) -> None:
        axes.plot([r[0] for r in plan.rows], [r[2] for r in plan.rows], "o-", color=AFTER, ms=4)
        axes.set(xlabel="threshold", ylabel="mean of the classes' means")
        _mark_threshold(axes, plan.used)

    return chart(draw, "Mean similarity inside a class, of the rows at or above each threshold")


def _mark_threshold(axes: Axes, threshold: float | None) -> None:
    if threshold is not None:
        axes.axvline(threshold, color=MARK, linewidth=1.2, linestyle="--")


def _description(plan: SimilarityPlan) -> str:
    n = sum(plan.bars.values())
    description = f"{n:,} rows have a score."
    if plan.used is None:
        return description
    return f"{description} The dashed line is the threshold, {plan.used}."
