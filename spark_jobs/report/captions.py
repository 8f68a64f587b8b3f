"""Matches per caption before and after balancing."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from spark_jobs.report.axes import legend_above, percent_axis
from spark_jobs.report.blocks import Block, Figure, Note
from spark_jobs.report.charts import chart
from spark_jobs.report.palette import AFTER, BEFORE

MOST_MATCHES = 10  # captions with more share one bar


def matches_blocks(
    before: Mapping[int, int] | None, after: Mapping[int, int] | None
) -> list[Block]:
    """A bar chart of captions by their number of matches.

    before, after: number of matches -> captions, those above MOST_MATCHES as one; None if unknown.
    """
    both = [("before", BEFORE, before or {}), ("after", AFTER, after or {})]
    series = [(name, colour, counts) for name, colour, counts in both if any(counts.values())]
    if not series:
        return [Note("There are no captions: there is nothing to draw.")]
    highest = min(MOST_MATCHES + 1, max(n for _, _, counts in series for n in counts))
    numbers = np.arange(highest + 1)

    def draw(axes: Axes) -> None:
        """For each number of matches, a bar per series: the share of its captions."""
        width = 0.8 / len(series)
        for position, (name, colour, counts) in enumerate(series):
            shares = [counts.get(int(n), 0) / sum(counts.values()) for n in numbers]
            centres = numbers + (position - (len(series) - 1) / 2) * width
            axes.bar(centres, shares, width, color=colour, label=f"{name} balancing")
        axes.set_xticks(numbers, [_tick_label(n) for n in numbers])
        axes.set_xlabel("entries that the caption matches")
        percent_axis(axes, "share of captions (%)")
        legend_above(axes, columns=2)

    shares = ", ".join(f"{_share_without(counts):.1%} {name}" for name, _, counts in series)
    description = f"Captions without a match: {shares}."
    picture = chart(draw, f"Share of captions by the number of entries matched. {description}")
    return [Figure("Matches per caption", picture, description)]


def _tick_label(n: int) -> str:
    return str(n) if n <= MOST_MATCHES else f"{MOST_MATCHES + 1}+"


def _share_without(counts: Mapping[int, int]) -> float:
    return counts.get(0, 0) / sum(counts.values())
