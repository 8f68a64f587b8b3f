"""An ordered list of classes: their values in a table's column, and the names that people use."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from spark_jobs.core.count_words import few_of
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.settings import did_you_mean

Class: TypeAlias = str | int
_SHOWN = 3


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
        """The list restricted to these classes, in its own order."""
        kept = set(values)
        kept_values = [value for value in self.values if value in kept]
        names = {value: self.names[value] for value in kept_values}
        aliases = {alias: value for alias, value in self.aliases.items() if value in kept}
        return ClassList(kept_values, names, aliases)

    def find(self, names: Iterable[Class]) -> list[Class]:
        """The values of classes given by value, name or alias, each once, in the list's order.

        Raises UnknownClassError, with the most similar existing name, or as `value_of`.
        """
        chosen = {self.value_of(name) for name in names}
        return [value for value in self.values if value in chosen]

    def value_of(self, name: Class) -> Class:
        """The value of the class given by value, name or alias; raises like `find`.

        Raises InputDataError for a name that several classes have.
        """
        text = str(name)
        if text in self._by_name:
            return self._by_name[text]
        if called := [str(value) for value, own in self.names.items() if own == text]:
            raise InputDataError(
                f"class {text!r}: {len(called):,} classes are called so, {few_of(called, _SHOWN)}: "
                "give these instead of the name"
            )
        raise UnknownClassError(f"there is no class {text!r}{did_you_mean(text, self._by_name)}")

    @cached_property
    def _by_name(self) -> dict[str, Class]:
        """Any name -> value; a class's value takes precedence over names, names over aliases."""
        n_classes = Counter(self.names.values())
        by_name = {name: value for value, name in self.names.items() if n_classes[name] == 1}
        return dict(self.aliases) | by_name | {str(value): value for value in self.values}


def classes_of_column(values: Iterable[Class]) -> ClassList:
    """The classes of a column, sorted; each is named by its value.

    `values`: the column's values, each once and none null.
    """
    ordered = sorted(values)
    return ClassList(ordered, {value: str(value) for value in ordered})
