"""Rows as lines for a terminal: a table where the columns fit side by side, else a block a row."""

import unicodedata
from collections.abc import Sequence

_GAP = "  "
_LEAST_WIDTH = 10  # a column is cut to this many cells at least
_MOST_WIDTH = 60
_NAMED_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_JOINERS = {"\u200c", "\u200d"}  # parts of words and of emoji


def table_lines(
    names: Sequence[str], rows: Sequence[Sequence[str]], types: Sequence[str], *, width: int
) -> list[str]:
    """The rows as lines of at most `width` cells.

    `names`: of the columns; `types`: a column of type "number" stands to the right. Characters that
    would steer the terminal are written as escapes; wide characters, as Chinese ones, take two
    cells. Where the columns do not fit side by side, each row is a block of a line a column.
    """
    shown_names = [printable(name) for name in names]
    shown_rows = [[printable(value) for value in row] for row in rows]
    widths = _fitting_widths(shown_names, shown_rows, width)
    if widths is None:
        return _blocks(shown_names, shown_rows, width)
    is_number = [type_ == "number" for type_ in types]
    lines = [_line(shown_names, widths, is_number), _GAP.join("-" * cells for cells in widths)]
    return lines + [_line(row, widths, is_number) for row in shown_rows]


def printable(text: str) -> str:
    """The text with escapes in place of characters that steer a terminal or turn its direction."""
    return "".join(map(_printable_character, text)) if not text.isprintable() else text


def cut(text: str, cells: int) -> str:
    """The text cut to so many cells of a terminal, with an ellipsis where something is missing."""
    if n_cells(text) <= cells:
        return text
    kept, taken = "", 0
    for character in text:
        taken += _cells_of(character)
        if taken > cells - 1:
            break
        kept += character
    return f"{kept}…"


def n_cells(text: str) -> int:
    """The cells that a text takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(character: str) -> int:
    if unicodedata.combining(character) or character in _JOINERS or character == "\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _printable_character(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    code = ord(character)
    escape = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else ""
    return _NAMED_ESCAPES.get(character, escape or f"\\U{code:08x}")


def _fitting_widths(
    names: Sequence[str], rows: Sequence[Sequence[str]], width: int
) -> list[int] | None:
    """The width of each column; None if they do not fit even when the widest are cut."""
    widths = [
        min(_MOST_WIDTH, max(map(n_cells, column))) for column in zip(names, *rows, strict=True)
    ]
    while sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        widest = max(range(len(widths)), key=widths.__getitem__)
        if widths[widest] <= max(_LEAST_WIDTH, n_cells(names[widest])):
            return None
        widths[widest] -= 1
    return widths


def _line(values: Sequence[str], widths: Sequence[int], is_number: Sequence[bool]) -> str:
    cells = []
    for value, cells_wide, to_right in zip(values, widths, is_number, strict=True):
        text = cut(value, cells_wide)
        padding = " " * (cells_wide - n_cells(text))
        cells.append(padding + text if to_right else text + padding)
    return _GAP.join(cells).rstrip()


def _blocks(names: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """A line per column of each row, with an empty line between two rows."""
    name_width = max(map(n_cells, names))
    value_width = max(_LEAST_WIDTH, width - name_width - len(_GAP))
    lines: list[str] = []
    for row in rows:
        lines += [""] if lines else []
        for name, value in zip(names, row, strict=True):
            padding = " " * (name_width - n_cells(name))
            lines.append(f"{name}{padding}{_GAP}{cut(value, value_width)}")
    return lines
