"""Similarity scores and what each threshold keeps (LAIONet, Shirali & Hardt 2023)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes

from spark_jobs.report.axes import count_axis
from spark_jobs.report.blocks import Block, Figure, Note, Table
from spark_jobs.report.charts import chart
from spark_jobs.report.palette import AFTER, BEFORE, INK, MARK


@dataclass(frozen=True)
class ThresholdRow:
    """What a threshold keeps: rows at or above it, their classes, and how alike these are.

    class_similarity: mean over classes of the mean score of their rows.
    """

    threshold: float
    rows: int
    classes: int
    class_similarity: float


@dataclass(frozen=True)
class SimilarityPlan:
    """The plan of a threshold and the histogram of the scores.

    rows: ascending by threshold. bars: left edge of a bin -> rows. used: the threshold that the
    rows were filtered by, None if they were not. has_classes: the scores have a column of classes.
    """

    rows: Sequence[ThresholdRow]
    bars: Mapping[float, int]
    used: float | None = None
    has_classes: bool = True


def similarity_blocks(plan: SimilarityPlan) -> list[Block]:
    """Figures of the scores and of what each threshold keeps, and the numbers as a table."""
    if not plan.bars:
        return [Note("No row has a score: there is nothing to draw.")]
    class_figures = [
        Figure("Classes with a row at or above a threshold", _classes(plan)),
        Figure("Mean similarity inside a class", _means(plan)),
    ]
    return [
        Figure("Scores", _histogram(plan), _description(plan)),
        Figure("Rows at or above a threshold", _rows(plan)),
        *(class_figures if plan.has_classes else []),
        _threshold_table(plan),
    ]


def _histogram(plan: SimilarityPlan) -> Markup:
    def draw(axes: Axes) -> None:
        axes.bar(list(plan.bars), list(plan.bars.values()), width=0.02, align="edge", color=BEFORE)
        axes.set_xlabel("similarity (cosine, -1 to 1)")
        count_axis(axes, "y", "rows with this similarity, per 0.02")
        _mark_threshold(axes, plan.used)

    return chart(draw, f"Histogram of the scores. {_description(plan)}")


def _rows(plan: SimilarityPlan) -> Markup:
    numbers = [row.rows for row in plan.rows]
    return _curve(plan, numbers, "rows at or above it", "Rows at or above each threshold")


def _classes(plan: SimilarityPlan) -> Markup:
    numbers = [row.classes for row in plan.rows]
    label = "classes with a row at or above it"
    return _curve(plan, numbers, label, "Classes with a row at or above each threshold")


def _curve(plan: SimilarityPlan, numbers: Sequence[int], label: str, alt_text: str) -> Markup:
    def draw(axes: Axes) -> None:
        axes.plot([row.threshold for row in plan.rows], numbers, "o-", color=AFTER, markersize=4)
        axes.set_xlabel("threshold on the similarity")
        count_axis(axes, "y", label)
        _mark_threshold(axes, plan.used)

    first, last = plan.rows[0], plan.rows[-1]
    ends = f"from {numbers[0]:,} at {first.threshold:g} to {numbers[-1]:,} at {last.threshold:g}"
    return chart(draw, f"{alt_text}: {ends}.")


def _means(plan: SimilarityPlan) -> Markup:
    def draw(axes: Axes) -> None:
        thresholds = [row.threshold for row in plan.rows]
        means = [row.class_similarity for row in plan.rows]
        axes.plot(thresholds, means, "o-", color=AFTER, markersize=4)
        axes.set(xlabel="threshold on the similarity", ylabel="mean over classes of their mean")
        _mark_threshold(axes, plan.used)

    return chart(draw, "Mean similarity inside a class, of the rows at or above each threshold")


def _mark_threshold(axes: Axes, threshold: float | None) -> None:
    if threshold is not None:
        axes.axvline(threshold, color=MARK, linewidth=1.2, linestyle="--")
        axes.set_title(f"dashed: the threshold {threshold:g}", fontsize=9, color=INK)


def _description(plan: SimilarityPlan) -> str:
    n = sum(plan.bars.values())
    description = f"{n:,} rows have a score."
    if plan.used is None:
        return description
    return f"{description} The dashed line is the threshold, {plan.used:g}."


def _threshold_table(plan: SimilarityPlan) -> Table:
    columns = ["threshold", "rows", *(["classes", "mean in a class"] if plan.has_classes else [])]
    rows = []
    for row in plan.rows:
        by_class = [f"{row.classes:,}", f"{row.class_similarity:.3f}"] if plan.has_classes else []
        rows.append((f"{row.threshold:g}", f"{row.rows:,}", *by_class))
    return Table("What each threshold keeps", columns, rows, is_wide=True)
