"""Class frequencies before and after a subset was drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes

from spark_jobs.report.blocks import Block, Figure, Note, Table
from spark_jobs.report.charts import chart
from spark_jobs.report.frequency_curves import Curve, draw_curves
from spark_jobs.report.palette import AFTER, BEFORE, MARK, SERIES

_MOST_CLASSES = 10  # rows of a table
_LINE_STYLES = ("-", "--", ":", "-.")
_BAND = 7.0  # points; the curve of what was wanted, on which the one of what was taken lies


@dataclass(frozen=True)
class ClassCount:
    """Rows of a class: wanted (None if there was no target), available and taken per source."""

    name: str
    target: int | None
    available: Sequence[int]
    taken: Sequence[int]

    @property
    def rows(self) -> int:
        """Rows taken from all sources."""
        return sum(self.taken)

    @property
    def short(self) -> int:
        """Rows missing from the target."""
        return 0 if self.target is None else self.target - self.rows


def class_blocks(counts: Sequence[ClassCount], sources: Sequence[str]) -> list[Block]:
    """Curves before and after, curves per source, and the classes that lack most rows."""
    if not any(sum(count.available) for count in counts):
        return [Note("No class has rows: there is nothing to draw.")]
    blocks: list[Block] = [
        Figure("Rows of each class", _before_and_after(counts), _description(counts))
    ]
    if len(sources) > 1:
        blocks.append(Figure("Taken from each source", _by_source(counts, sources)))
    blocks.append(_largest_classes(counts))
    short = sorted((count for count in counts if count.short), key=lambda count: -count.short)
    if short:
        rows = [
            (count.name, f"{count.target:,}", *(f"{n:,}" for n in count.taken), f"{count.short:,}")
            for count in short[:_MOST_CLASSES]
        ]
        names = [f"from {name}" for name in sources]
        blocks.append(Table("Classes that lack most", ["class", "wanted", *names, "missing"], rows))
    return blocks


def _largest_classes(counts: Sequence[ClassCount]) -> Table:
    largest = sorted(counts, key=lambda count: -sum(count.available))[:_MOST_CLASSES]
    has_targets = any(count.target is not None for count in counts)
    rows = [
        (
            count.name,
            f"{sum(count.available):,}",
            *([f"{count.target or 0:,}"] if has_targets else []),
            f"{count.rows:,}",
        )
        for count in largest
        if any(count.available)
    ]
    columns = ["class", "available", *(["wanted"] if has_targets else []), "taken"]
    return Table("Largest classes", columns, rows)


def _before_and_after(counts: Sequence[ClassCount]) -> Markup:
    """What was wanted is a wide band: where it was taken, the thin line lies inside."""
    curves = [Curve("available", [sum(count.available) for count in counts], BEFORE)]
    targets = [count.target for count in counts if count.target is not None]
    if targets:
        curves.append(Curve("wanted", targets, MARK, width=_BAND, opacity=0.45))
    curves.append(Curve("taken", [count.rows for count in counts], AFTER))

    def draw(axes: Axes) -> None:
        draw_curves(axes, curves)

    names = ", ".join(curve.name for curve in curves)
    return chart(draw, f"Rows of each class by rank: {names}. {_description(counts)}")


def _by_source(counts: Sequence[ClassCount], sources: Sequence[str]) -> Markup:
    curves = [
        Curve(
            f"from {name}",
            [count.taken[number] for count in counts],
            SERIES[number % len(SERIES)],
            _LINE_STYLES[number % len(_LINE_STYLES)],
        )
        for number, name in enumerate(sources)
    ]

    def draw(axes: Axes) -> None:
        draw_curves(axes, curves)

    return chart(draw, "Rows taken of each class by rank, from each source")


def _description(counts: Sequence[ClassCount]) -> str:
    n_before = sum(any(count.available) for count in counts)
    n_after = sum(count.rows > 0 for count in counts)
    classes_with_rows = f"{n_before:,} classes have rows, {n_after:,} of them in the subset"
    n_missing = sum(count.short for count in counts)
    n_short = sum(count.short > 0 for count in counts)
    if n_missing:
        return f"{classes_with_rows}; {n_short:,} lack {n_missing:,} rows of what was wanted."
    return f"{classes_with_rows}."
