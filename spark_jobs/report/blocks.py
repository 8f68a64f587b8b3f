"""The blocks that a report consists of; page.html renders each."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Figure:
    """A picture with its title, and below it a description of what it shows."""

    title: str
    svg: Markup
    description: str = ""
    kind: str = "figure"


@dataclass(frozen=True)
class Table:
    """Rows of text; columns from index `first_number` on are numbers, aligned right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    first_number: int = 1
    is_wide: bool = False
    kind: str = "table"


@dataclass(frozen=True)
class Bar:
    """A stage of a funnel: its number of rows, their share in [0, 1], the losses before it."""

    label: str
    number: str
    share: float
    losses: str = ""


@dataclass(frozen=True)
class Bars:
    """The stages of a funnel, from top to bottom."""

    title: str
    bars: Sequence[Bar]
    kind: str = "bars"


@dataclass(frozen=True)
class Example:
    """A caption, whether it was kept, and why.

    is_kept: None of a caption that was looked for, not decided on. matched: its entries or class.
    details: a text that it was compared with.
    """

    caption: str
    is_kept: bool | None
    reason: str
    matched: Sequence[str] = ()
    uid: str = ""
    details: str = ""


@dataclass(frozen=True)
class Examples:
    """Captions under one heading."""

    title: str
    examples: Sequence[Example]
    kind: str = "examples"


@dataclass(frozen=True)
class Side:
    """One side of a pair: its name, and a picture (a data: URI) or text if there is one."""

    name: str
    picture: str = ""
    text: str = ""


@dataclass(frozen=True)
class Pair:
    """Two rows that were found to be alike, and how near they are."""

    row: Side
    item: Side
    nearness: str


@dataclass(frozen=True)
class Pairs:
    """Pairs side by side, under one heading."""

    title: str
    pairs: Sequence[Pair]
    kind: str = "pairs"


@dataclass(frozen=True)
class Note:
    """A paragraph of text, such as why a picture is missing."""

    text: str
    kind: str = "note"


Block = Figure | Table | Bars | Examples | Pairs | Note


@dataclass(frozen=True)
class Section:
    """A heading with blocks below it; `folds`: all tables but the first open on a click."""

    title: str
    blocks: Sequence[Block] = ()
    folds: bool = False

    @property
    def anchor(self) -> str:
        """The HTML id that links inside the page point to."""
        return "".join(c if c.isalnum() else "-" for c in self.title.lower())


def visible(text: str, longest: int = 300) -> str:
    """Make a text displayable: show control characters as symbols, and shorten long texts.

    Browsers drop NUL and act on other control characters; the symbols are those from U+2400 on.
    """
    shortened = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(_visible_character(character) for character in shortened)


def _visible_character(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else character
