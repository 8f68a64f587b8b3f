"""Which kinds of values JSON holds, seen value by value and put together over tasks."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_DEPTH = 32  # of lists and objects inside a field; what lies deeper is text, as JSON writes it
_MOST_FIELDS = 1_000  # of an object inside a record; one with more is a map, read as text
# Kinds of whole numbers by what holds them: a double, 64 bits, a decimal of 38 digits, text.
_WHOLE = {"int": 2**53, "wide": 2**63, "big": 10**38, "huge": float("inf")}
_NAMES = {str: "string", bool: "boolean", type(None): "null"}


@dataclass
class Kinds:
    """Kinds of scalars, of the items of lists, and of the fields of objects, at one place.

    scalars: of null, nan, boolean, double, string, and those of _WHOLE.
    """

    scalars: set[str] = field(default_factory=set)
    items: "Kinds | None" = None
    fields: "dict[str, Kinds] | None" = None

    def add(self, value: object, depth: int = _DEPTH) -> None:
        """Take in a value of json.loads, `depth` levels of it."""
        if not depth and isinstance(value, dict | list):
            self.scalars.add("string")
        elif isinstance(value, dict):
            self.fields = {} if self.fields is None else self.fields
            for name, inside in value.items():
                if name not in self.fields:
                    if len(self.fields) >= _MOST_FIELDS:
                        self.scalars.add("string")
                        return
                    self.fields[name] = Kinds()
                self.fields[name].add(inside, depth - 1)
        elif isinstance(value, list):
            self.items = Kinds() if self.items is None else self.items
            for inside in value:
                self.items.add(inside, depth - 1)
        else:
            self.scalars.add(_scalar(value))

    def merge(self, other: "Kinds", most: int | None = _MOST_FIELDS) -> None:
        """Take in what another place or task has seen, up to `most` fields of an object."""
        self.scalars |= other.scalars
        if other.items is not None:
            self.items = Kinds() if self.items is None else self.items
            self.items.merge(other.items)
        if other.fields is not None:
            self.fields = {} if self.fields is None else self.fields
            for name, inside in other.fields.items():
                if most is not None and name not in self.fields and len(self.fields) >= most:
                    self.scalars.add("string")
                    break
                self.fields.setdefault(name, Kinds()).merge(inside)

    def as_json(self) -> dict[str, Any]:
        """As `of_json` reads it."""
        told: dict[str, Any] = {"s": sorted(self.scalars)}
        if self.items is not None:
            told["i"] = self.items.as_json()
        if self.fields is not None:
            told["f"] = {name: inside.as_json() for name, inside in self.fields.items()}
        return told

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> "Kinds":
        """What `as_json` wrote."""
        items = None if "i" not in told else cls.of_json(told["i"])
        fields = None
        if "f" in told:
            fields = {name: cls.of_json(inside) for name, inside in told["f"].items()}
        return cls(set(told["s"]), items, fields)


def _scalar(value: object) -> str:
    name = _NAMES.get(type(value))
    if name is not None:
        return name
    if isinstance(value, int):
        return next(name for name, most in _WHOLE.items() if -most <= value < most)
    return "nan" if isinstance(value, float) and math.isnan(value) else "double"


class RecordKinds:
    """Kinds of the fields of many records, at the cost of a look-up a value."""

    def __init__(self) -> None:
        self.kinds = Kinds(fields={})
        self._seen: set[tuple[str, type]] = set()

    def add(self, records: Iterable[Mapping[str, object]]) -> None:
        """Take in records; those of known names and plain types were seen before."""
        seen, fields = self._seen, self.kinds.fields
        assert fields is not None  # from the start
        for record in records:
            for name, value in record.items():
                key = (name, type(value))
                if key not in seen:
                    fields.setdefault(name, Kinds()).add(value)
                    if isinstance(value, str | bool | None):
                        seen.add(key)
