"""Figures as SVG, the same bytes for the same numbers."""

import io
from collections.abc import Callable
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Text stays text, and ids do not vary from run to run.
_STYLE: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "captionlake", "font.size": 10}


def svg(
    draw: Callable[[list[Axes]], None],
    *,
    size: tuple[float, float],
    rows: int = 1,
    transparent: bool = False,
) -> str:
    """Draw on `rows` axes, one above the other with one x axis; `size` in inches.

    `transparent`: without a ground of its own, for a page that has one.
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = list(figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0])
        draw(axes)
        for each in axes:
            each.spines[["top", "right"]].set_visible(False)
        content = io.BytesIO()
        figure.savefig(content, format="svg", metadata={"Date": None}, transparent=transparent)
    return content.getvalue().decode()
