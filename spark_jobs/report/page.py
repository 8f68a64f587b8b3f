"""The report page: one self-contained HTML file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from spark_jobs import __version__
from spark_jobs.report.blocks import Block, Figure, Section
from spark_jobs.report.charts import numbered
from spark_jobs.report.palette import COLOURS


@dataclass(frozen=True)
class Page:
    """A report; key_figures: (number, what it counts)."""

    title: str
    subtitle: str
    key_figures: Sequence[tuple[str, str]]
    sections: Sequence[Section]


def render(page: Page) -> bytes:
    """Render the page as HTML; all texts in it are escaped."""
    # Jinja's own loader does not find a template inside a wheel.
    template = files("spark_jobs.report").joinpath("page.html").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    numbers = iter(range(10_000))
    sections = [_numbered(section, numbers) for section in page.sections]
    numbered_page = replace(page, sections=sections)
    html = environment.from_string(template).render(
        page=numbered_page, version=__version__, colours=COLOURS
    )
    # Text from Spark has no lone surrogates, but a setting may have some.
    return html.encode("utf-8", errors="replace")


def _numbered(section: Section, numbers: object) -> Section:
    """Make the ids in the section's figures unique by a number for each figure."""

    def with_unique_ids(block: Block) -> Block:
        if not isinstance(block, Figure):
            return block
        return replace(block, svg=numbered(block.svg, next(numbers)))  # type: ignore[call-overload]

    return replace(section, blocks=[with_unique_ids(block) for block in section.blocks])
