"""Tables of counts of a task, one for each language, within one limit of memory."""

from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from udfs.task_errors import TaskInputError

_MOST_BYTES = 1 << 28
_MOST_LANGUAGES = 1_000  # Wikipedia has some 340


class CountTable(Protocol):
    """A table that knows what memory it takes."""

    @property
    def n_bytes(self) -> int:
        """Memory that the table takes."""


Table = TypeVar("Table", bound=CountTable)


class LanguageTables(Generic[Table]):
    """A table for each language, made when a text in it comes."""

    def __init__(self, make: Callable[[str], Table], *, most_bytes: int = _MOST_BYTES) -> None:
        self._make = make
        self._most_bytes = most_bytes
        self._tables: dict[str, Table] = {}
        self._langs: set[str] = set()

    def of(self, lang: str) -> Table:
        """The table of a language.

        Raises TaskInputError at the 1,001st: such a column holds something else.
        """
        if lang not in self._tables:
            self._langs.add(lang)
            if len(self._langs) > _MOST_LANGUAGES:
                raise TaskInputError(
                    f"the texts have more than {_MOST_LANGUAGES:,} languages, such as "
                    f"{lang[:40]!r}; give the column of languages in columns, or set rule=metaclip"
                )
            self._tables[lang] = self._make(lang)
        return self._tables[lang]

    def take_largest(self) -> Iterator[tuple[str, Table]]:
        """Take out the largest tables, to be flushed, until the others are within the limit."""
        sizes = {lang: table.n_bytes for lang, table in self._tables.items()}
        in_use = sum(sizes.values())
        for lang in sorted(sizes, key=lambda lang: -sizes[lang]):
            if in_use <= self._most_bytes:
                return
            in_use -= sizes[lang]
            yield lang, self._tables.pop(lang)

    def take_all(self) -> Iterator[tuple[str, Table]]:
        """Take out all tables, at the end."""
        while self._tables:
            yield self._tables.popitem()
