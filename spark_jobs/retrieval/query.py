"""Boolean queries of words and phrases, in the grammar of SQLite's FTS5."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


class QueryError(ValueError):
    """A query that cannot be read; the message says at which character, counted from 1."""


@dataclass(frozen=True)
class Phrase:
    """Tokens that must stand one after the other."""

    tokens: tuple[str, ...]


@dataclass(frozen=True)
class And:
    """All of its parts must hold."""

    parts: tuple["Query", ...]


@dataclass(frozen=True)
class Or:
    """One of its parts must hold."""

    parts: tuple["Query", ...]


@dataclass(frozen=True)
class Without:
    """`wanted` must hold and `unwanted` must not."""

    wanted: "Query"
    unwanted: "Query"


Query = Phrase | And | Or | Without

_TOKEN = re.compile(
    r'[ \t\n\r]+|(?P<sign>[()])|"(?P<quoted>(?:[^"]|"")*)"'
    r"|(?P<word>[0-9A-Za-z_\x80-\U0010ffff]+)"
)
_OPERATORS = ("AND", "OR", "NOT")


def class_expression(name: str) -> str:
    """A class's name as a query: with a hyphen or slash, and no quote, it is one phrase.

    So do unmet-promise's scripts (Geigle et al. 2024); other names are words in any order.
    """
    return f'"{name}"' if re.search(r"[-/]", name) and '"' not in name else name


def parse_query(text: str, tokens_of: Callable[[str], Sequence[str]]) -> Query:
    """Read an expression of words, "phrases", AND, OR, NOT and parentheses.

    Words that follow each other must all occur; that binds tightest, then NOT, AND, OR.
    `tokens_of` cuts a word or phrase. Raises QueryError.
    """
    parser = _Parser(text, tokens_of)
    query = parser.alternatives()
    if parser.kind:
        raise parser.unexpected("AND, OR or NOT")
    return query


class _Parser:
    """Looks one token ahead: `kind` is an operator, a parenthesis, "text", or empty at the end."""

    def __init__(self, text: str, tokens_of: Callable[[str], Sequence[str]]) -> None:
        self._text = text
        self._tokens_of = tokens_of
        self._ahead = self._cut()
        self._step()

    def alternatives(self) -> Query:
        return self._joined("OR", self._conjunction, Or)

    def _conjunction(self) -> Query:
        return self._joined("AND", self._difference, And)

    def _joined(
        self, operator: str, part: Callable[[], Query], join: Callable[[tuple[Query, ...]], Query]
    ) -> Query:
        parts = [part()]
        while self.kind == operator:
            self._step()
            parts.append(part())
        return parts[0] if len(parts) == 1 else join(tuple(parts))

    def _difference(self) -> Query:
        query = self._words()
        while self.kind == "NOT":
            self._step()
            query = Without(query, self._words())
        return query

    def _words(self) -> Query:
        if self.kind == "(":
            opened = self.at
            self._step()
            query = self.alternatives()
            if self.kind != ")":
                raise QueryError(f"the parenthesis at character {opened + 1} is not closed")
            self._step()
            return query
        phrases = []
        while self.kind == "text":
            phrases.append(self._phrase())
        if not phrases:
            raise self.unexpected("a word or phrase")
        return phrases[0] if len(phrases) == 1 else And(tuple(phrases))

    def _phrase(self) -> Phrase:
        tokens = tuple(self._tokens_of(self.text))
        if not tokens:
            raise QueryError(f"the phrase at character {self.at + 1} has no letter or digit")
        self._step()
        return Phrase(tokens)

    def unexpected(self, wanted: str) -> QueryError:
        found = f"found {self.found!r} at character {self.at + 1}" if self.kind else "found the end"
        return QueryError(f"expected {wanted}, {found}")

    def _step(self) -> None:
        self.kind, self.text, self.found, self.at = next(self._ahead)

    def _cut(self) -> Iterator[tuple[str, str, str, int]]:
        at = 0
        while at < len(self._text):
            found = _TOKEN.match(self._text, at)
            if found is None and self._text[at] == '"':
                raise QueryError(f"the quote at character {at + 1} is not closed")
            if found is None:
                raise QueryError(
                    f"{self._text[at]!r} at character {at + 1} must stand in a quoted phrase"
                )
            word, sign = found["word"], found["sign"]
            if sign or word in _OPERATORS:
                yield sign or word, "", found[0], at
            elif word or found["quoted"] is not None:
                text = word if word else found["quoted"].replace('""', '"')
                yield "text", text, found[0], at
            at = found.end()
        yield "", "", "", at
