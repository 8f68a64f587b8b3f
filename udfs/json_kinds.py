"""The kinds of values in JSON records, collected value by value and merged over tasks."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_MOST_DEPTH = 32  # of lists and objects inside a field; deeper ones become JSON text
_MOST_FIELDS = 1_000  # of an object inside a record; one with more is a map, read as text
# Kinds of whole numbers by the smallest type that holds them: double, int64, decimal(38), text.
_WHOLE = {"int": 2**53, "wide": 2**63, "big": 10**38, "huge": float("inf")}
_NAMES = {str: "string", bool: "boolean", type(None): "null"}


@dataclass
class Kinds:
    """The kinds of values seen in one field: scalars, items of lists, fields of objects.

    scalars: a subset of null, nan, boolean, double, string, and the keys of _WHOLE. items, fields:
    None if no list or object was seen.
    """

    scalars: set[str] = field(default_factory=set)
    items: "Kinds | None" = None
    fields: "dict[str, Kinds] | None" = None

    def add(self, value: object, depth: int = _MOST_DEPTH) -> None:
        """Add a value from json.loads, down to `depth` levels of lists and objects."""
        if not depth and isinstance(value, dict | list):
            self.scalars.add("string")
        elif isinstance(value, dict):
            self.fields = {} if self.fields is None else self.fields
            for name, field_value in value.items():
                if name not in self.fields:
                    if len(self.fields) >= _MOST_FIELDS:
                        self.scalars.add("string")
                        return
                    self.fields[name] = Kinds()
                self.fields[name].add(field_value, depth - 1)
        elif isinstance(value, list):
            self.items = Kinds() if self.items is None else self.items
            for item in value:
                self.items.add(item, depth - 1)
        else:
            self.scalars.add(_scalar_kind(value))

    def merge(self, other: "Kinds", most: int | None = _MOST_FIELDS) -> None:
        """Add the kinds that another task saw, up to `most` fields of an object."""
        self.scalars |= other.scalars
        if other.items is not None:
            self.items = Kinds() if self.items is None else self.items
            self.items.merge(other.items)
        if other.fields is not None:
            self.fields = {} if self.fields is None else self.fields
            for name, field_kinds in other.fields.items():
                if most is not None and name not in self.fields and len(self.fields) >= most:
                    self.scalars.add("string")
                    break
                self.fields.setdefault(name, Kinds()).merge(field_kinds)

    def as_json(self) -> dict[str, Any]:
        """The kinds as a JSON object, which `from_json` reads."""
        content: dict[str, Any] = {"s": sorted(self.scalars)}
        if self.items is not None:
            content["i"] = self.items.as_json()
        if self.fields is not None:
            content["f"] = {name: kinds.as_json() for name, kinds in self.fields.items()}
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Kinds":
        """Read what `as_json` returned."""
        items = None if "i" not in content else cls.from_json(content["i"])
        fields = None
        if "f" in content:
            fields = {name: cls.from_json(kinds) for name, kinds in content["f"].items()}
        return cls(set(content["s"]), items, fields)


def _scalar_kind(value: object) -> str:
    name = _NAMES.get(type(value))
    if name is not None:
        return name
    if isinstance(value, int):
        return next(name for name, most in _WHOLE.items() if -most <= value < most)
    return "nan" if isinstance(value, float) and math.isnan(value) else "double"


class RecordKinds:
    """Collects the kinds of the fields of many records, with one set look-up per value."""

    def __init__(self) -> None:
        self.kinds = Kinds(fields={})
        self._seen: set[tuple[str, type]] = set()

    def add(self, records: Iterable[Mapping[str, object]]) -> None:
        """Add records; a string, boolean or null in a field is added only once."""
        seen, fields = self._seen, self.kinds.fields
        assert fields is not None  # set in __init__
        for record in records:
            for name, value in record.items():
                key = (name, type(value))
                if key not in seen:
                    fields.setdefault(name, Kinds()).add(value)
                    if isinstance(value, str | bool | None):
                        seen.add(key)
