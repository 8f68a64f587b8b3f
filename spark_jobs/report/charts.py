"""Charts whose colours are CSS variables of the page, so that they suit light, dark and print."""

import re
from collections.abc import Callable

from markupsafe import Markup
from matplotlib.axes import Axes

from spark_jobs.report.palette import COLOURS
from spark_jobs.report.svg import svg

_SIZE = (4.6, 3.6)  # inches; on a phone a picture is 350 px wide, so its text stays readable


def chart(draw: Callable[[Axes], None], alt_text: str) -> Markup:
    """Draw a chart as an SVG for HTML, with an alternative text for screen readers."""
    text = svg(lambda axes: draw(axes[0]), size=_SIZE, transparent=True)
    text = text[text.index("<svg") :]
    for colour, (variable, _) in COLOURS.items():
        text = text.replace(f": {colour}", f": var(--{variable})")
    return Markup(_for_page(text, alt_text))


def numbered(picture: Markup, number: int) -> Markup:
    """Prefix the ids of a picture with its number, so that they are unique on the page."""
    text = re.sub(r'\sid="([^"]+)"', rf' id="c{number}-\1"', str(picture))
    return Markup(re.sub(r'(url\(|href=")#', rf"\1#c{number}-", text))


def _for_page(text: str, alt_text: str) -> str:
    """Remove metadata and the fixed size, and add the alternative text."""
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s(width|height)="[\d.]+pt"', "", text, count=2)
    return text.replace("<svg", f'<svg role="img" aria-label="{Markup.escape(alt_text)}"', 1)
