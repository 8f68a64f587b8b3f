"""Faulty entries of a concept bank: duplicates, the empty string, entries that never match."""

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from udfs.text.token_match import MARKS

Padding: TypeAlias = Callable[[str], str]

DUPLICATE, EMPTY, NEVER_MATCHES = FAULTS = ("duplicate", "empty", "never_matches")

# Patterns that cannot occur in a spaced caption: punctuation not surrounded by spaces, two marks
# with a single space between them, and tab and line ends, which spacing turns into spaces.
_NEVER_IN_SPACED_CAPTIONS = re.compile(rf"[^ ][{MARKS}]|[{MARKS}][^ ]|[{MARKS}] [{MARKS}]|[\t\n\r]")
# All of them have one of these, which is found in a tenth of the time.
_MARKS_AND_ENDS = re.compile(rf"[{MARKS}\t\n\r]")


def between_spaces(entry: str) -> str:
    """The string that MetaCLIP searches in a spaced caption (Xu et al. 2023)."""
    return f" {entry} "


def entry_faults(
    entries: Sequence[str],
    langs: Sequence[str | None] | None = None,
    *,
    pad: Padding = between_spaces,
) -> list[str | None]:
    """The fault of each entry, or None; the first of identical entries is not a duplicate.

    `langs`: if given, entries of different languages are never duplicates. `pad`: returns the
    string that the rule searches for an entry, which has spaces more.
    """
    keys = entries if langs is None else [*zip(entries, langs, strict=True)]
    first: dict[object, int] = {}
    return [
        DUPLICATE if first.setdefault(key, position) != position else _own_fault(entry, pad)
        for position, (key, entry) in enumerate(zip(keys, entries, strict=True))
    ]


def _own_fault(entry: str, pad: Padding) -> str | None:
    if not entry:
        return EMPTY  # padded, it would match every caption with two adjacent spaces
    if _MARKS_AND_ENDS.search(entry) is None:
        return None
    return NEVER_MATCHES if never_matches(pad(entry)) else None


def never_matches(padded_entry: str) -> bool:
    """Whether no spaced and padded caption can contain the padded entry.

    Captions are spaced (each punctuation mark between spaces) but entries are not, so the entry
    `St. Bernard` occurs in none. Spaced captions have no tabs and line ends, and two spaces
    between adjacent marks.
    """
    return _NEVER_IN_SPACED_CAPTIONS.search(padded_entry) is not None
