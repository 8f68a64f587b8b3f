"""The page: one HTML file that needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from spark_jobs import __version__
from spark_jobs.report.blocks import Block, Figure, Section
from spark_jobs.report.charts import numbered


@dataclass(frozen=True)
class Page:
    """`title`: what the report is of. `key_figures`: (number, what it counts)."""

    title: str
    subtitle: str
    key_figures: Sequence[tuple[str, str]]
    sections: Sequence[Section]


def render(page: Page) -> bytes:
    """The page as HTML; every text in it is escaped."""
    # By hand, since Jinja's own loader does not find a template inside a wheel.
    template = files("spark_jobs.report").joinpath("page.html").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    numbers = iter(range(10_000))
    sections = [_numbered(section, numbers) for section in page.sections]
    told = replace(page, sections=sections)
    # No lone surrogate comes out of Spark, but a setting may hold one.
    html = environment.from_string(template).render(page=told, version=__version__)
    return html.encode("utf-8", errors="replace")


def _numbered(section: Section, numbers: object) -> Section:
    def of(block: Block) -> Block:
        if not isinstance(block, Figure):
            return block
        return replace(block, svg=numbered(block.svg, next(numbers)))  # type: ignore[call-overload]

    return replace(section, blocks=[of(block) for block in section.blocks])
