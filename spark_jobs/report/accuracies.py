"""Accuracy of a CLIP model by class, over the class's frequency in the training set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes

from spark_jobs.report.axes import legend_above, log_axis, percent_axis
from spark_jobs.report.blocks import Block, Figure, Table, visible
from spark_jobs.report.charts import chart
from spark_jobs.report.palette import SERIES
from udfs.clip_evaluation.by_class import PARTS

_SHOWN = 10
_ORDER = ("zero_shot", "frequency", "retrieval")


@dataclass(frozen=True)
class ClassPoint:
    """A class with images; frequency and part are None where no frequencies were given."""

    name: str
    images: int
    top1: float
    predicted: int
    frequency: int | None
    part: str | None


@dataclass(frozen=True)
class Evaluation:
    """(task, set, measure) -> value, None where it is undefined; the classes with images."""

    values: Mapping[tuple[str, str, str], float | None]
    classes: Sequence[ClassPoint]


def accuracy_blocks(evaluation: Evaluation) -> list[Block]:
    """A table of all measures, accuracy against frequency, and the classes at both ends."""
    blocks: list[Block] = [_measures(evaluation)]
    points = [point for point in evaluation.classes if point.frequency]
    if points:
        has_absent = any(point.frequency == 0 for point in evaluation.classes)
        left_out = " A class without a row has no dot." if has_absent else ""
        blocks.append(
            Figure(
                "Accuracy against frequency",
                _scatter(points),
                "A dot is a class: its top-1 accuracy over its rows in the training set, in thirds "
                f"of the classes.{left_out}",
            )
        )
    if evaluation.classes:
        ordered = sorted(evaluation.classes, key=lambda point: (point.top1, point.name))
        blocks.append(_classes("Classes of lowest accuracy", ordered[:_SHOWN]))
        blocks.append(_classes("Classes of highest accuracy", ordered[: -_SHOWN - 1 : -1]))
    return blocks


def _measures(evaluation: Evaluation) -> Table:
    ordered = sorted(evaluation.values.items(), key=lambda item: _ORDER.index(item[0][0]))
    rows = []
    for (task, part, measure), value in ordered:
        shown = "none" if value is None else f"{value:.3f}"
        if value is not None and task != "frequency":
            shown = f"{100 * value:.2f}%"
        rows.append((task.replace("_", "-"), part, measure, shown))
    return Table("Measures", ["task", "set", "measure", "value"], rows, first_number=3)


def _scatter(points: Sequence[ClassPoint]) -> Markup:
    def draw(axes: Axes) -> None:
        for part, colour in zip(PARTS, SERIES, strict=False):
            of_part = [point for point in points if point.part == part]
            if of_part:
                axes.plot(
                    [point.frequency or 0 for point in of_part],
                    [point.top1 for point in of_part],
                    "o",
                    color=colour,
                    markersize=4,
                    alpha=0.7,
                    label=part,
                )
        log_axis(axes, "x", "rows of the class in training")
        percent_axis(axes, "top-1 accuracy")
        legend_above(axes, columns=len(PARTS))

    least, most = min(p.frequency or 0 for p in points), max(p.frequency or 0 for p in points)
    return chart(
        draw,
        f"Top-1 accuracy of {len(points):,} classes over their frequency, {least:,} to {most:,}",
    )


def _classes(title: str, points: Sequence[ClassPoint]) -> Table:
    rows = [
        (
            visible(point.name),
            *(f"{100 * point.top1:.1f}%", f"{point.images:,}", f"{point.predicted:,}"),
            "" if point.frequency is None else f"{point.frequency:,}",
        )
        for point in points
    ]
    return Table(title, ["class", "top-1", "images", "predicted", "rows in training"], rows)
