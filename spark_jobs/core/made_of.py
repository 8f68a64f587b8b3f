"""Provenance of a table: its draws, and for matches the captions and the concept bank."""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from itertools import chain, count
from typing import Any

from pydantic import TypeAdapter, ValidationError


@dataclass(frozen=True)
class Content:
    """A table's content when it was read; equal `mark` means equal content, at any address."""

    address: str = field(compare=False)
    mark: str


@dataclass(frozen=True)
class Matching:
    """Which bank was matched in which captions.

    `bank`: its mark is a digest of its entries in order. `rule`: the settings that decide which
    entries match. `captions` is None if the rows are not those of one whole table of captions, such
    as a subset of the matches.
    """

    bank: Content
    n_entries: int
    rule: str
    captions: Content | None


@dataclass(frozen=True)
class MadeOf:
    """Provenance of a table; the defaults mean unknown.

    `draws`: purposes of the draws that selected its rows, in order. `matching`: for tables of
    matches and entry counts. `has_unique_keys`: it was checked that no key occurs twice.
    """

    draws: tuple[str, ...] = ()
    matching: Matching | None = None
    has_unique_keys: bool = False

    def as_json(self) -> dict[str, Any]:
        """The value of `made_of` in a commit's userMetadata."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> "MadeOf":
        """Read what `as_json` wrote; any other value gives the defaults."""
        try:
            return _JSON.validate_python(value)
        except ValidationError:
            return cls()


_JSON = TypeAdapter(MadeOf)


@dataclass(frozen=True)
class TableState:
    """The current state of the table or files at an address.

    `version`: `delta:7:<mark>` or `files:3:<digest>`; identifies the version for reading it and
    for detecting a change. `mark`: equal for tables with the same rows.
    """

    version: str
    mark: str
    made_of: MadeOf = MadeOf()


def unused_purpose(purpose: str, used: Collection[str]) -> str:
    """The first of `balance`, `balance#2`, `balance#3` ... that is not a used purpose."""
    purposes = chain([purpose], (f"{purpose}#{number}" for number in count(2)))
    return next(name for name in purposes if name not in used)


def all_draws(tables: Iterable[MadeOf]) -> tuple[str, ...]:
    """The purposes of the draws of several tables, without repetition, in order."""
    return tuple(dict.fromkeys(name for table in tables for name in table.draws))
