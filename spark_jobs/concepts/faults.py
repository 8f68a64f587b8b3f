"""Entries that a matcher cannot use: duplicates, the empty one, those that can never match."""

from collections.abc import Sequence
from itertools import pairwise

from udfs.text.token_match import MARKS

DUPLICATE, EMPTY, NEVER_MATCHES = FAULTS = ("duplicate", "empty", "never_matches")


def entry_faults(entries: Sequence[str]) -> list[str | None]:
    """The fault of each entry, or None; of identical entries the first has none of its own."""
    seen: set[str] = set()
    faults: list[str | None] = []
    for entry in entries:
        faults.append(DUPLICATE if entry in seen else _own_fault(entry))
        seen.add(entry)
    return faults


def _own_fault(entry: str) -> str | None:
    if not entry:
        return EMPTY  # it matches every caption with two adjacent spaces
    return NEVER_MATCHES if never_matches(entry) else None


def never_matches(entry: str) -> bool:
    """Whether no caption can hold the entry under MetaCLIP's rule.

    Only captions are spaced, so `St. Bernard` finds no `St.` in any; tabs and line ends are gone
    from them; and between two marks there is always an empty token.
    """
    if any(break_ in entry for break_ in "\t\n\r"):
        return True
    tokens = entry.split(" ")
    if any(len(token) > 1 and any(mark in token for mark in MARKS) for token in tokens):
        return True
    is_mark = [len(token) == 1 and token in MARKS for token in tokens]
    return any(one and other for one, other in pairwise(is_mark))
