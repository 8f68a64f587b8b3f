"""Charts that take their colours from the page, so that they suit light and dark."""

import re
from collections.abc import Callable

from markupsafe import Markup
from matplotlib.axes import Axes

from spark_jobs.report.svg import svg

# Each stands for a CSS variable of the page, which takes its place in the SVG.
INK, GRID, BEFORE, AFTER, MARK = "#010101", "#030303", "#040404", "#050505", "#060606"
_VARIABLES = {INK: "ink", GRID: "grid", BEFORE: "before", AFTER: "after", MARK: "mark"}

_SIZE = (4.6, 3.3)  # inches; on a phone a picture is 350 px wide, so its text stays readable


def chart(draw: Callable[[Axes], None], told: str) -> Markup:
    """An SVG to stand in HTML. `told`: what it shows, for those who cannot see it."""

    def on_one(axes: list[Axes]) -> None:
        _colour(axes[0])
        draw(axes[0])
        _colour_legend(axes[0])

    text = svg(on_one, size=_SIZE, transparent=True)
    text = text[text.index("<svg") :]
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    return Markup(_for_page(text, told))


def _colour(axes: Axes) -> None:
    axes.tick_params(which="both", colors=INK)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    for spine in axes.spines.values():
        spine.set_edgecolor(INK)
    axes.grid(True, which="major", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def _colour_legend(axes: Axes) -> None:
    legend = axes.get_legend()
    if legend is not None:
        legend.get_frame().set_visible(False)
        for text in legend.get_texts():
            text.set_color(INK)


def numbered(picture: Markup, number: int) -> Markup:
    """The picture with ids that no other of the page has."""
    text = re.sub(r'\sid="([^"]+)"', rf' id="c{number}-\1"', str(picture))
    return Markup(re.sub(r'(url\(|href=")#', rf"\1#c{number}-", text))


def _for_page(text: str, told: str) -> str:
    """The width that there is, and a name."""
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s(width|height)="[\d.]+pt"', "", text, count=2)
    return text.replace("<svg", f'<svg role="img" aria-label="{Markup.escape(told)}"', 1)
