"""A list of classes: how a table's column names them, and how people do."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from spark_jobs.core.settings import nearest

Class: TypeAlias = str | int


class UnknownClassError(ValueError):
    """A name that no class has."""


@dataclass(frozen=True)
class ClassList:
    """Classes in order, by the values of a column, with the names that people read.

    `aliases`: further names by which a class may be given, such as its wnid or its lemma.
    """

    values: Sequence[Class]
    names: Mapping[Class, str]
    aliases: Mapping[str, Class] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Class]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def only(self, values: Iterable[Class]) -> "ClassList":
        """The list of some of its classes, in its order."""
        kept = set(values)
        of_kept = [value for value in self.values if value in kept]
        names = {value: self.names[value] for value in of_kept}
        aliases = {alias: value for alias, value in self.aliases.items() if value in kept}
        return ClassList(of_kept, names, aliases)

    def find(self, given: Iterable[Class]) -> list[Class]:
        """The values of classes that are given by value, name or alias, each once, in order.

        Raises UnknownClassError with the nearest known name.
        """
        found = {self.value_of(name) for name in given}
        return [value for value in self.values if value in found]

    def value_of(self, given: Class) -> Class:
        """The value of one class; UnknownClassError as for `find`."""
        name = str(given)
        if name in self._by_name:
            return self._by_name[name]
        raise UnknownClassError(f"there is no class {name!r}{nearest(name, self._by_name)}")

    @cached_property
    def _by_name(self) -> dict[str, Class]:
        """A value goes before a name, and that before an alias."""
        by_name = {name: value for value, name in self.names.items()}
        return dict(self.aliases) | by_name | {str(value): value for value in self.values}


def classes_of_column(values: Iterable[Class]) -> ClassList:
    """The classes that a column holds, sorted, each under its own name."""
    found = sorted(values)
    return ClassList(found, {value: str(value) for value in found})
