"""What a table was made of: the draws behind its rows, and the captions and bank behind matches."""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from itertools import chain, count
from typing import Any

from pydantic import TypeAdapter, ValidationError


@dataclass(frozen=True)
class Content:
    """What stood at an address: contents of the same `mark` are the same, wherever they stand."""

    address: str = field(compare=False)
    mark: str


@dataclass(frozen=True)
class Matching:
    """What was matched: `bank`, whose mark is a digest of its entries in order, in `captions`.

    `captions` is None where the rows are no longer those of one table of captions, such as a part
    of the matches. `rule`: the settings that decide which entries match.
    """

    bank: Content
    n_entries: int
    rule: str
    captions: Content | None


@dataclass(frozen=True)
class MadeOf:
    """What a table was made of; the defaults say that nothing is known.

    `draws`: the purposes of the draws that its rows have been through, in order. `matching`: of
    matches and entry counts. `has_unique_keys`: each key was checked to be of one row.
    """

    draws: tuple[str, ...] = ()
    matching: Matching | None = None
    has_unique_keys: bool = False

    def as_json(self) -> dict[str, Any]:
        """What a commit's userMetadata says of it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> "MadeOf":
        """Read what `as_json` wrote; nothing is known where it is none."""
        try:
            return _JSON.validate_python(value)
        except ValidationError:
            return cls()


_JSON = TypeAdapter(MadeOf)


@dataclass(frozen=True)
class TableState:
    """What stands at an address now.

    `version`: `delta:7:<mark>` or `files:3:<digest>`, to read it by and to tell it from what stood
    there before. `mark`: the same for tables with the same rows.
    """

    version: str
    mark: str
    made_of: MadeOf = MadeOf()


def unused_purpose(purpose: str, used: Collection[str]) -> str:
    """The purpose of a draw over rows that have been through others: `balance`, `balance#2` ..."""
    names = chain([purpose], (f"{purpose}#{number}" for number in count(2)))
    return next(name for name in names if name not in used)


def all_draws(tables: Iterable[MadeOf]) -> tuple[str, ...]:
    """The draws behind the rows of several tables, each once."""
    return tuple(dict.fromkeys(name for table in tables for name in table.draws))
