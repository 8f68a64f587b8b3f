"""Charts whose colours are CSS variables of the page, so that they suit light and dark mode."""

import re
from collections.abc import Callable

from markupsafe import Markup
from matplotlib.axes import Axes

from spark_jobs.report.svg import svg

# Placeholder colours that are replaced by CSS variables of the page in the SVG.
INK, GRID, BEFORE, AFTER, MARK = "#010101", "#030303", "#040404", "#050505", "#060606"
_VARIABLES = {INK: "ink", GRID: "grid", BEFORE: "before", AFTER: "after", MARK: "mark"}

_SIZE = (4.6, 3.3)  # inches; on a phone a picture is 350 px wide, so its text stays readable


def chart(draw: Callable[[Axes], None], alt_text: str) -> Markup:
    """Draw a chart as an SVG for HTML, with an alternative text for screen readers."""

    def draw_coloured(axes: list[Axes]) -> None:
        _colour(axes[0])
        draw(axes[0])
        _colour_legend(axes[0])

    text = svg(draw_coloured, size=_SIZE, transparent=True)
    text = text[text.index("<svg") :]
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    return Markup(_for_page(text, alt_text))


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
    """Prefix the ids of a picture with its number, so that they are unique on the page."""
    text = re.sub(r'\sid="([^"]+)"', rf' id="c{number}-\1"', str(picture))
    return Markup(re.sub(r'(url\(|href=")#', rf"\1#c{number}-", text))


def _for_page(text: str, alt_text: str) -> str:
    """Remove metadata and the fixed size, and add the alternative text."""
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s(width|height)="[\d.]+pt"', "", text, count=2)
    return text.replace("<svg", f'<svg role="img" aria-label="{Markup.escape(alt_text)}"', 1)
