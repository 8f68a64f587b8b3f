"""The two rules for phrases of a query: sequences of FTS5 tokens, or substrings of the caption."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from udfs.text.fts_match import fts_tokens
from udfs.text.phrase_search import (
    FindPhrases,
    lower_case_text,
    substring_finder,
    token_finder,
)

SearchRule = Literal["fts", "substring"]


@dataclass(frozen=True)
class PhraseRule:
    """How phrases are cut into tokens and found in captions.

    `tokens_of`: tokens of a phrase's text. `finder`: builds the search for phrases, each a list of
    tokens, whose ids are their positions. `names_are_phrases`: a class's name is one phrase, not
    words in any order.
    """

    tokens_of: Callable[[str], Sequence[str]]
    finder: Callable[[Sequence[Sequence[str]]], FindPhrases]
    names_are_phrases: bool


RULES: dict[SearchRule, PhraseRule] = {
    "fts": PhraseRule(fts_tokens, token_finder, names_are_phrases=False),
    "substring": PhraseRule(lower_case_text, substring_finder, names_are_phrases=True),
}
