"""Find phrases in captions: as sequences of FTS5 tokens, or as substrings."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from udfs.text.fts_match import phrase_trie, unicode61
from udfs.text.metaclip2_match import match_substrings
from udfs.text.substring_trie import build_substring_trie
from udfs.text.token_match import match_captions

FindPhrases: TypeAlias = Callable[[pa.Array], pa.ListArray]  # captions -> ids of their phrases


def token_finder(phrases: Sequence[Sequence[str]]) -> FindPhrases:
    """A search for phrases as adjacent FTS5 tokens; phrases are lists of tokens."""
    trie, table = phrase_trie(phrases), unicode61()
    return lambda captions: match_captions(captions, trie, table)


def substring_finder(phrases: Sequence[Sequence[str]]) -> FindPhrases:
    """A search for phrases anywhere in a caption, in any case; a phrase is one lower-case text."""
    trie = build_substring_trie(pa.array([phrase[0] for phrase in phrases], pa.string()))
    return lambda captions: match_substrings(
        pc.utf8_lower(captions), trie, is_stripped=False, is_spaced=False
    )


def lower_case_text(text: str) -> list[str]:
    """The whole phrase as one token, in lower case as Arrow makes it; no token if blank."""
    lower_case: str = pc.utf8_lower(pa.array([text.strip()]))[0].as_py()
    return [lower_case] if lower_case else []
