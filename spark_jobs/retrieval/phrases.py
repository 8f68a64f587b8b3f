"""What a phrase of a query is, and how phrases are found: as FTS5's tokens, or as plain text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.retrieval.query import Phrase
from udfs.text.fts_match import fts_tokens, phrase_trie, unicode61
from udfs.text.metaclip2_match import match_substrings
from udfs.text.substring_trie import build_substring_trie
from udfs.text.token_match import match_captions

SearchRule = Literal["fts", "substring"]
Find = Callable[[pa.Array], pa.ListArray]


@dataclass(frozen=True)
class PhraseRule:
    """`tokens_of` cuts a phrase of a query; `finder` makes what finds numbered phrases.

    `names_are_phrases`: whether a class's name is one phrase, or its words in any order.
    """

    tokens_of: Callable[[str], Sequence[str]]
    finder: Callable[[Sequence[Phrase]], Find]
    names_are_phrases: bool


def _find_tokens(phrases: Sequence[Phrase]) -> Find:
    trie, table = phrase_trie([phrase.tokens for phrase in phrases]), unicode61()
    return lambda captions: match_captions(captions, trie, table)


def _find_text(phrases: Sequence[Phrase]) -> Find:
    trie = build_substring_trie(pa.array([phrase.tokens[0] for phrase in phrases], pa.string()))
    return lambda captions: match_substrings(
        pc.utf8_lower(captions), trie, is_stripped=False, is_spaced=False
    )


def _lower(text: str) -> list[str]:
    """The phrase whole, as Arrow lowers captions; nothing where it is blank."""
    lower: str = pc.utf8_lower(pa.array([text.strip()]))[0].as_py()
    return [lower] if lower else []


RULES: dict[SearchRule, PhraseRule] = {
    "fts": PhraseRule(fts_tokens, _find_tokens, names_are_phrases=False),
    "substring": PhraseRule(_lower, _find_text, names_are_phrases=True),
}
