"""The two rules for phrases of a query: sequences of FTS5 tokens, or substrings of the caption."""

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
FindPhrases = Callable[[pa.Array], pa.ListArray]  # captions -> ids of the phrases in each


@dataclass(frozen=True)
class PhraseRule:
    """How phrases are cut into tokens and found in captions.

    `tokens_of`: tokens of a phrase's text. `finder`: builds the search for phrases, whose ids are
    their positions. `names_are_phrases`: a class's name is one phrase, not words in any order.
    """

    tokens_of: Callable[[str], Sequence[str]]
    finder: Callable[[Sequence[Phrase]], FindPhrases]
    names_are_phrases: bool


def _token_finder(phrases: Sequence[Phrase]) -> FindPhrases:
    trie, table = phrase_trie([phrase.tokens for phrase in phrases]), unicode61()
    return lambda captions: match_captions(captions, trie, table)


def _substring_finder(phrases: Sequence[Phrase]) -> FindPhrases:
    trie = build_substring_trie(pa.array([phrase.tokens[0] for phrase in phrases], pa.string()))
    return lambda captions: match_substrings(
        pc.utf8_lower(captions), trie, is_stripped=False, is_spaced=False
    )


def _lower_case_text(text: str) -> list[str]:
    """The whole phrase as one token, in lower case as Arrow makes it; no token if blank."""
    lower_case: str = pc.utf8_lower(pa.array([text.strip()]))[0].as_py()
    return [lower_case] if lower_case else []


RULES: dict[SearchRule, PhraseRule] = {
    "fts": PhraseRule(fts_tokens, _token_finder, names_are_phrases=False),
    "substring": PhraseRule(_lower_case_text, _substring_finder, names_are_phrases=True),
}
