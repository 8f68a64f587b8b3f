"""Draw figures as SVG, with the same bytes for the same numbers."""

import io
from collections.abc import Callable
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Text stays text (not paths), and ids do not change from run to run.
_STYLE: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "captionlake", "font.size": 10}


def svg(
    draw: Callable[[list[Axes]], None],
    *,
    size: tuple[float, float],
    rows: int = 1,
    transparent: bool = False,
) -> str:
    """Draw on `rows` axes, one above the other with a shared x axis; `size` in inches.

    `transparent`: without a background, for a page that has its own.
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = list(figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0])
        draw(axes)
        for panel in axes:
            panel.spines[["top", "right"]].set_visible(False)
        content = io.BytesIO()
        figure.savefig(content, format="svg", metadata={"Date": None}, transparent=transparent)
    return content.getvalue().decode()
