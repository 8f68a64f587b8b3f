"""Parse boolean queries of words and phrases, in the grammar of SQLite's FTS5."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

PAPERS = ("unmet-promise, text retrieval: boolean queries as SQLite's FTS5 takes them",)


class QueryError(ValueError):
    """A query that cannot be parsed; the message has the character's position, counted from 1."""


@dataclass(frozen=True)
class Phrase:
    """Holds if the tokens occur one directly after the other."""

    tokens: tuple[str, ...]


@dataclass(frozen=True)
class And:
    """Holds if all parts hold."""

    parts: tuple["Query", ...]


@dataclass(frozen=True)
class Or:
    """Holds if at least one part holds."""

    parts: tuple["Query", ...]


@dataclass(frozen=True)
class Without:
    """Holds if `wanted` holds and `unwanted` does not."""

    wanted: "Query"
    unwanted: "Query"


Query = Phrase | And | Or | Without

_TOKEN = re.compile(
    r'[ \t\n\r]+|(?P<sign>[()])|"(?P<quoted>(?:[^"]|"")*)"'
    r"|(?P<word>[0-9A-Za-z_\x80-\U0010ffff]+)"
)
_OPERATORS = ("AND", "OR", "NOT")


def class_expression(name: str) -> str:
    """The query for a class's name: one phrase if it has a hyphen or slash and no quote.

    Other names are words in any order. As in the scripts of unmet-promise (Geng et al. 2024).
    """
    return f'"{name}"' if re.search(r"[-/]", name) and '"' not in name else name


def parse_query(text: str, tokens_of: Callable[[str], Sequence[str]]) -> Query:
    """Parse an expression of words, "phrases", AND, OR, NOT and parentheses.

    Adjacent words must all occur; adjacency binds tightest, then NOT, AND, OR. `tokens_of` cuts a
    word or phrase into tokens. Raises QueryError.
    """
    parser = _Parser(text, tokens_of)
    query = parser.parse_or()
    if parser.kind:
        raise parser.unexpected("AND, OR or NOT")
    return query


class _Parser:
    """A recursive-descent parser with one token of lookahead.

    Of that token, `kind` is an operator, a parenthesis, "text", or empty at the end; `text` is the
    word or phrase, `source` how it is written, `position` where it starts.
    """

    def __init__(self, text: str, tokens_of: Callable[[str], Sequence[str]]) -> None:
        self._text = text
        self._tokens_of = tokens_of
        self._lexemes = self._split()
        self._advance()

    def parse_or(self) -> Query:
        return self._parse_operands("OR", self._parse_and, Or)

    def _parse_and(self) -> Query:
        return self._parse_operands("AND", self._parse_not, And)

    def _parse_operands(
        self,
        operator: str,
        parse_operand: Callable[[], Query],
        combine: Callable[[tuple[Query, ...]], Query],
    ) -> Query:
        operands = [parse_operand()]
        while self.kind == operator:
            self._advance()
            operands.append(parse_operand())
        return operands[0] if len(operands) == 1 else combine(tuple(operands))

    def _parse_not(self) -> Query:
        query = self._parse_adjacent()
        while self.kind == "NOT":
            self._advance()
            query = Without(query, self._parse_adjacent())
        return query

    def _parse_adjacent(self) -> Query:
        """A query in parentheses, or one or more words and phrases."""
        if self.kind == "(":
            opened_at = self.position
            self._advance()
            query = self.parse_or()
            if self.kind != ")":
                raise QueryError(f"the parenthesis at character {opened_at + 1} is not closed")
            self._advance()
            return query
        phrases = []
        while self.kind == "text":
            phrases.append(self._parse_phrase())
        if not phrases:
            raise self.unexpected("a word or phrase")
        return phrases[0] if len(phrases) == 1 else And(tuple(phrases))

    def _parse_phrase(self) -> Phrase:
        tokens = tuple(self._tokens_of(self.text))
        if not tokens:
            raise QueryError(f"the phrase at character {self.position + 1} has no letter or digit")
        self._advance()
        return Phrase(tokens)

    def unexpected(self, expected: str) -> QueryError:
        seen = f"{self.source!r} at character {self.position + 1}" if self.kind else "the end"
        return QueryError(f"expected {expected}, found {seen}")

    def _advance(self) -> None:
        self.kind, self.text, self.source, self.position = next(self._lexemes)

    def _split(self) -> Iterator[tuple[str, str, str, int]]:
        """(kind, text, source, position) of each token, and at last those of the end."""
        position = 0
        while position < len(self._text):
            token = _TOKEN.match(self._text, position)
            if token is None and self._text[position] == '"':
                raise QueryError(f"the quote at character {position + 1} is not closed")
            if token is None:
                raise QueryError(
                    f"{self._text[position]!r} at character {position + 1} must stand in a quoted "
                    "phrase"
                )
            word, sign = token["word"], token["sign"]
            if sign or word in _OPERATORS:
                yield sign or word, "", token[0], position
            elif word or token["quoted"] is not None:
                text = word if word else token["quoted"].replace('""', '"')
                yield "text", text, token[0], position
            position = token.end()
        yield "", "", "", position
