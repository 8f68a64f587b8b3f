"""Entries that a matcher cannot use: duplicates, the empty one, those that can never match."""

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from udfs.text.token_match import MARKS

Padding: TypeAlias = Callable[[str], str]

DUPLICATE, EMPTY, NEVER_MATCHES = FAULTS = ("duplicate", "empty", "never_matches")

# In no spaced caption: a mark without a space beside it, marks with one space between, what spacing
# makes a space.
_NEVER = re.compile(rf"[^ ][{MARKS}]|[{MARKS}][^ ]|[{MARKS}] [{MARKS}]|[\t\n\r]")


def between_spaces(entry: str) -> str:
    """What MetaCLIP looks for."""
    return f" {entry} "


def entry_faults(
    entries: Sequence[str],
    langs: Sequence[str | None] | None = None,
    *,
    padded: Padding = between_spaces,
) -> list[str | None]:
    """The fault of each entry, or None; of identical entries the first has none of its own.

    `langs`: entries of different languages are never duplicates. `padded`: what the rule looks for.
    """
    seen: set[tuple[str, str | None]] = set()
    faults: list[str | None] = []
    for position, entry in enumerate(entries):
        key = (entry, langs[position] if langs is not None else None)
        faults.append(DUPLICATE if key in seen else _own_fault(entry, padded))
        seen.add(key)
    return faults


def _own_fault(entry: str, padded: Padding) -> str | None:
    if not entry:
        return EMPTY  # it matches every caption with two adjacent spaces
    return NEVER_MATCHES if never_matches(padded(entry)) else None


def never_matches(padded: str) -> bool:
    """Whether no spaced and padded caption can hold what a rule looks for.

    Only captions are spaced, so `St. Bernard` finds no `St.` in any; tabs and line ends are gone
    from them; and between two marks there is always an empty token.
    """
    return _NEVER.search(padded) is not None
