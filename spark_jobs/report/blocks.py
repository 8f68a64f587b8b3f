"""What a report is made of; page.html says how each looks."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Figure:
    """A picture with its title; `told` says in words what it shows."""

    title: str
    svg: Markup
    told: str = ""
    kind: str = "figure"


@dataclass(frozen=True)
class Table:
    """Rows of text; columns from `first_number` on are numbers and stand to the right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    first_number: int = 1
    kind: str = "table"


@dataclass(frozen=True)
class Bar:
    """One stage of a funnel: a share between 0 and 1, its number, and what was lost before it."""

    label: str
    number: str
    share: float
    told: str = ""


@dataclass(frozen=True)
class Bars:
    """Stages from top to bottom."""

    title: str
    bars: Sequence[Bar]
    kind: str = "bars"


@dataclass(frozen=True)
class Example:
    """A caption with what became of it and why."""

    caption: str
    is_kept: bool
    reason: str
    matched: Sequence[str] = ()


@dataclass(frozen=True)
class Examples:
    """Captions under one heading."""

    title: str
    examples: Sequence[Example]
    kind: str = "examples"


@dataclass(frozen=True)
class Note:
    """A paragraph, such as why a picture is not there."""

    text: str
    kind: str = "note"


Block = Figure | Table | Bars | Examples | Note


@dataclass(frozen=True)
class Section:
    """A heading with blocks below; `folds`: its tables but the first open on a click."""

    title: str
    blocks: Sequence[Block] = ()
    folds: bool = False

    @property
    def anchor(self) -> str:
        """The id by which the page's own links reach it."""
        return "".join(c if c.isalnum() else "-" for c in self.title.lower())


def visible(text: str, longest: int = 300) -> str:
    """A caption that can be shown: control characters as their pictures, long ones cut.

    A browser drops NUL and acts on others; U+2400 and on are made for this.
    """
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(_picture(character) for character in cut)


def _picture(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else character
