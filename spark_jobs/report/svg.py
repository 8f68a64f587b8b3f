"""Draw figures as SVG, with the same bytes for the same numbers."""

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spark_jobs.report.palette import COLOURS, GRID, INK

# Text stays text (not paths), is never read as TeX, and ids do not change from run to run.
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "captionlake",
    "font.size": 10,
    "text.parse_math": False,
    "axes.titlelocation": "left",
    "text.color": INK,
    "axes.titlecolor": INK,
}


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
    with rc_context(_STYLE), warnings.catch_warnings():
        # A browser has fonts for characters that matplotlib's own lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=size, layout="constrained")
        axes = list(figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0])
        for panel in axes:
            _colour(panel)
        draw(axes)
        content = io.BytesIO()
        figure.savefig(content, format="svg", metadata={"Date": None}, transparent=transparent)
    return content.getvalue().decode()


def picture_file(
    draw: Callable[[list[Axes]], None], *, title: str, size: tuple[float, float], rows: int
) -> bytes:
    """Draw an SVG file of its own: with a title, and in dark colours where the viewer is dark."""

    def draw_titled(axes: list[Axes]) -> None:
        draw(axes)
        figure = axes[0].figure
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")

    text = svg(draw_titled, size=size, rows=rows)
    escaped = Markup.escape(title)
    head = f"<title>{escaped}</title><style>{_DARK_STYLE}</style>"
    text = text.replace("<svg", f'<svg role="img" aria-label="{escaped}"', 1)
    return re.sub(r"(<svg[^>]*>)", lambda tag: tag[1] + head, text, count=1).encode()


def _dark_style() -> str:
    """CSS that replaces each light colour of a picture on a dark screen, not on paper."""
    rules = [
        f'[style*="{attribute}: {light}"]{{{attribute}:{dark}!important}}'
        for light, (_, dark) in COLOURS.items()
        for attribute in ("fill", "stroke")
    ]
    return f"@media screen and (prefers-color-scheme: dark){{{''.join(rules)}}}"


_DARK_STYLE = _dark_style()


def _colour(axes: Axes) -> None:
    axes.tick_params(which="both", colors=INK)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.spines[["top", "right"]].set_visible(False)
    for spine in axes.spines.values():
        spine.set_edgecolor(INK)
    axes.grid(True, which="major", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
