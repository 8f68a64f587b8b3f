"""Models of several subsets, compared: accuracy by part, and against what the subsets are."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup
from matplotlib.axes import Axes

from spark_jobs.comparing.models import Compared, Interval
from spark_jobs.report.axes import legend_above, log_axis, percent_axis
from spark_jobs.report.blocks import Block, Figure, Note, Table
from spark_jobs.report.charts import chart
from spark_jobs.report.palette import SERIES
from udfs.clip_evaluation.by_class import ALL, PARTS, TOP1, ZERO_SHOT

# Measure of a subset -> (title, label of its axis, whether that is logarithmic).
_OF_SUBSETS = {
    "captions": ("Accuracy against size", "captions", True),
    "clip_s": ("Accuracy against noise", "CLIP-S, mean; lower is noisier", False),
    "unique_trigrams": ("Accuracy against diversity", "different trigrams", True),
}
_SPREAD = 0.5  # of the axis between two parts, which the subsets of a part share
_INTERVALS = (
    "Points are means over the models of a subset, one a seed; bars are Student's 95 % intervals "
    "of that mean."
)


def comparison_blocks(measures: Sequence[Compared]) -> list[Block]:
    """Pictures of top-1 accuracy by part and against each measure of the subsets, and a table."""
    subsets = [*dict.fromkeys(row.subset for row in measures)]
    of_parts = {
        part: {row.subset: row for row in measures if row[1:4] == (ZERO_SHOT, part, TOP1)}
        for part in (ALL, *PARTS)
    }
    of_parts = {part: rows for part, rows in of_parts.items() if rows}
    blocks: list[Block] = []
    if of_parts:
        blocks.append(
            Figure(
                "Zero-shot accuracy",
                _by_part(of_parts, subsets),
                f"Head, middle and tail are thirds of the classes by frequency. {_INTERVALS}",
            )
        )
    for measure, (title, label, is_log) in _OF_SUBSETS.items():
        sizes = {row.subset: row.value.mean for row in measures if row.measure == measure}
        accuracy = of_parts.get(ALL, {})
        if len({*sizes.values()}) > 1 and accuracy:
            picture = _against(accuracy, sizes, label, subsets, is_log=is_log)
            blocks.append(Figure(title, picture, f"Of all classes. {_INTERVALS}"))
    table = _table(measures)
    return [*blocks, table] if table.rows else [Note("There is no measure to compare.")]


def _by_part(of_parts: Mapping[str, Mapping[str, Compared]], subsets: Sequence[str]) -> Markup:
    def draw(axes: Axes) -> None:
        for n, subset in enumerate(subsets):
            shift = ((n + 0.5) / len(subsets) - 0.5) * _SPREAD
            at = [k + shift for k, rows in enumerate(of_parts.values()) if subset in rows]
            values = [rows[subset].value for rows in of_parts.values() if subset in rows]
            _draw_points(axes, at, values, subset, n)
        axes.set_xticks(range(len(of_parts)), [*of_parts])
        axes.set_ylim(bottom=0)
        percent_axis(axes, "top-1 accuracy")
        legend_above(axes, columns=3)

    said = [
        f"{part}: " + ", ".join(f"{name} {row.value.mean:.1%}" for name, row in rows.items())
        for part, rows in of_parts.items()
    ]
    return chart(draw, f"top-1 accuracy, {'; '.join(said)}")


def _against(
    accuracy: Mapping[str, Compared],
    sizes: Mapping[str, float],
    label: str,
    subsets: Sequence[str],
    *,
    is_log: bool,
) -> Markup:
    shown = [name for name in subsets if name in accuracy and name in sizes]

    def draw(axes: Axes) -> None:
        for n, name in enumerate(subsets):
            if name in shown:
                _draw_points(axes, [sizes[name]], [accuracy[name].value], name, n)
        if is_log:
            log_axis(axes, "x", label)
        else:
            axes.set_xlabel(label)
        percent_axis(axes, "top-1 accuracy")
        legend_above(axes, columns=3)

    said = [f"{name} {accuracy[name].value.mean:.1%} at {sizes[name]:,.6g}" for name in shown]
    return chart(draw, f"top-1 accuracy against {label}: {', '.join(said)}")


def _draw_points(
    axes: Axes, at: Sequence[float], values: Sequence[Interval], subset: str, number: int
) -> None:
    means = [value.mean for value in values]
    below = [value.mean - (value.mean if value.low is None else value.low) for value in values]
    above = [(value.mean if value.high is None else value.high) - value.mean for value in values]
    colour = SERIES[number % len(SERIES)]
    markers = "osD^v"
    axes.errorbar(
        at,
        means,
        yerr=[below, above],
        fmt=markers[number // len(SERIES) % len(markers)],
        color=colour,
        markersize=5,
        linewidth=1.2,
        label=subset,
    )


def _table(measures: Sequence[Compared]) -> Table:
    rows = [
        (
            row.subset,
            _called(row),
            f"{row.value.n:,}",
            _number(row.value.mean),
            _range(row.value),
            "" if row.difference is None else f"{row.difference.mean:+.4f}",
            "" if row.difference is None else _range(row.difference),
        )
        for row in measures
    ]
    columns = ["subset", "measure", "models", "mean", "95 %", "above the first", "95 %"]
    return Table("All measures", columns, rows, first_number=2, is_wide=True)


def _called(row: Compared) -> str:
    return row.measure if row.set == ALL else f"{row.measure}, {row.set}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4f}"


def _range(value: Interval) -> str:
    if value.low is None or value.high is None:
        return ""
    return f"{_number(value.low)} to {_number(value.high)}"
