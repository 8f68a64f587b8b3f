"""Match lemmas in captions by the rules of LAIONet and of YFCC15M-Cls."""

import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.text.code_points import (
    BREAK,
    MARK,
    N_CODE_POINTS,
    PART,
    CodePointTable,
    build_code_point_table,
    identity_folding,
    is_word_character,
    lower_case_folding,
)
from udfs.text.lists import add_ids
from udfs.text.rewriting import rewrite_as_array
from udfs.text.spans import Spans
from udfs.text.token_match import match_captions
from udfs.text.token_spans import token_spans
from udfs.text.token_trie import TokenTrie, build_token_trie

# The characters with a meaning in regular expressions, except the dot.
_PATTERN_SIGNS = set(r"\^$*+?{}[]|()")
_OTHER_MARK = 1  # code point that marks which occur in no lemma are written as
# Placeholder entry that occurs in no rewritten text: no code point is written as \0.
_NEVER_MATCHES = "\0 \0"


@dataclass(frozen=True)
class Pattern:
    """A lemma that is searched as a regular expression.

    `prefilter`: a pattern for Arrow's RE2 that finds a superset of the captions that `exact` finds.
    """

    lemma_id: int
    prefilter: str
    exact: re.Pattern[str]


@dataclass(frozen=True)
class LemmaMatcher:
    """Matches lemmas as tokens of the text rewritten by `table`, and some as patterns.

    `spaces`: what the rewritten text's spaces are, as for `token_spans`.
    """

    table: CodePointTable
    trie: TokenTrie
    patterns: Sequence[Pattern] = ()
    spaces: Literal["given", "added"] = "given"

    def match(self, captions: pa.Array) -> pa.ListArray:
        """Ids of the lemmas that occur in each caption, ascending and unique."""
        token_matches = match_captions(captions, self.trie, self.table)
        pattern_matches = [
            (row, pattern.lemma_id)
            for pattern in self.patterns
            for row in _rows_with(captions, pattern)
        ]
        rows = np.array([row for row, _ in pattern_matches], np.int64)
        lemma_ids = np.array([lemma_id for _, lemma_id in pattern_matches], np.int32)
        return add_ids(token_matches, rows, lemma_ids)

    def spans(self, captions: pa.Array) -> Spans:
        """Every occurrence of a lemma, overlapping ones included, as in udfs.text.spans."""
        by_tokens = token_spans(captions, self.trie, self.table, spaces=self.spaces)
        by_patterns = [
            (row, pattern.lemma_id, start, end)
            for pattern in self.patterns
            for row in _rows_with(captions, pattern)
            for start, end in _occurrences(pattern.exact, captions[row].as_py())
        ]
        return np.concatenate([by_tokens, np.array(by_patterns, np.int32).reshape(-1, 4)])


def unpunctuated(lemma: str) -> str:
    """The lemma with ASCII punctuation replaced by spaces, as LAIONet does with captions."""
    return lemma.translate(dict.fromkeys(map(ord, string.punctuation), " "))


def laionet_matcher(
    lemmas: Sequence[str], *, is_case_sensitive: bool = True, is_cleaned: bool = False
) -> LemmaMatcher:
    """Match `" lemma "` in the padded caption whose ASCII punctuation was replaced by spaces.

    LAIONet, Shirali & Hardt 2023. Only the space separates words, not tabs, line ends or other
    white space, and two spaces are not one. `is_cleaned`: replace punctuation in lemmas too; as
    published they keep it, so lemmas with punctuation match nothing.
    """
    folded = identity_folding() if is_case_sensitive else lower_case_folding()
    kinds = np.full(N_CODE_POINTS, PART, np.uint8)
    kinds[ord(" ")] = BREAK
    lemma_table = build_code_point_table(kinds, folded)
    kinds[[ord(sign) for sign in string.punctuation]] = BREAK
    table = build_code_point_table(kinds, folded)
    entries = rewrite_as_array(pa.array(lemmas, pa.string()), table if is_cleaned else lemma_table)
    return LemmaMatcher(table, build_token_trie(entries))


def yfcc_matcher(lemmas: Sequence[str], *, is_literal: bool = False) -> LemmaMatcher:
    r"""Match a lemma between word boundaries, ignoring case, by the rules of Python's `re`.

    That is `\b(?:lemma)\b` (YFCC15M-Cls, Fang et al. 2022), where a lemma's dot stands for any
    character. `is_literal`: a dot stands for itself, and where a lemma begins or ends in a mark the
    caption must not go on with a word character, instead of having to. Raises ValueError for a
    lemma with other signs of regular expressions, unless `is_literal`.

    A lemma that begins and ends in word characters occurs between word boundaries exactly where its
    tokens occur, with words and single other characters as tokens; all other lemmas are patterns.
    """
    regex_lemmas = [lemma for lemma in lemmas if not is_literal and _PATTERN_SIGNS & set(lemma)]
    if regex_lemmas:
        raise ValueError(
            f"lemma {regex_lemmas[0]!r} is a pattern, not a word; match lemmas literally"
        )
    letters = sorted(set("".join(lemmas)))
    table = _yfcc_table(letters)
    mixed = {letter for letter in letters if _has_mixed_variants(letter)}
    is_by_tokens = [_is_word(lemma, is_literal) and not mixed & set(lemma) for lemma in lemmas]
    spaced = rewrite_as_array(pa.array(lemmas, pa.string()), table).to_pylist()
    # Lemmas searched as patterns get a placeholder entry, so that entry ids are lemma positions.
    entries = [
        text if by_tokens else _NEVER_MATCHES
        for text, by_tokens in zip(spaced, is_by_tokens, strict=True)
    ]
    patterns = [
        _pattern(lemma_id, lemma, is_literal)
        for lemma_id, lemma in enumerate(lemmas)
        if not is_by_tokens[lemma_id]
    ]
    trie = build_token_trie(pa.array(entries, pa.string()))
    return LemmaMatcher(table, trie, patterns, spaces="added")


def _yfcc_table(letters: Sequence[str]) -> CodePointTable:
    """Words are tokens, and so is each other character; the lemmas' `letters` are folded.

    Case variants of a letter are written as the first of them. Marks are written as codes below the
    digits, one for each mark in the lemmas and a common one for the rest.
    """
    is_word = is_word_character()
    folded = identity_folding()
    folded[~is_word] = _OTHER_MARK
    unused_codes = (code for code in range(_OTHER_MARK + 1, 0x30) if code != ord(" "))
    for letter in letters:
        if is_word[ord(letter)]:
            folded[case_variants(letter)] = case_variants(letter)[0]
        else:
            folded[ord(letter)] = next(unused_codes)
    return build_code_point_table(np.where(is_word, PART, MARK).astype(np.uint8), folded)


@cache
def case_variants(letter: str) -> list[int]:
    """The code points that `re` takes for a letter when it ignores case, ascending."""
    characters = re.findall(re.escape(letter), _cased_characters() + letter, re.IGNORECASE)
    return sorted({ord(character) for character in characters})


@cache
def _cased_characters() -> str:
    """All characters that have an upper or lower case other than themselves."""
    characters = (chr(code) for code in range(N_CODE_POINTS) if not 0xD800 <= code < 0xE000)
    return "".join(c for c in characters if c.lower() != c or c.upper() != c)


def _has_mixed_variants(letter: str) -> bool:
    """Whether some case variants of a letter are word characters and others are not."""
    is_word = is_word_character()
    return len({bool(is_word[code]) for code in case_variants(letter)}) > 1


def _is_word(lemma: str, is_literal: bool) -> bool:
    """Whether a lemma begins and ends in word characters and has no dot that is a pattern."""
    is_word = is_word_character()
    has_word_ends = lemma != "" and is_word[ord(lemma[0])] and is_word[ord(lemma[-1])]
    return bool(has_word_ends) and (is_literal or "." not in lemma)


def _pattern(lemma_id: int, lemma: str, is_literal: bool) -> Pattern:
    prefilter = "".join("." if c == "." and not is_literal else _variants_class(c) for c in lemma)
    exact = rf"(?<!\w){re.escape(lemma)}(?!\w)" if is_literal else rf"\b(?:{lemma})\b"
    return Pattern(lemma_id, prefilter, re.compile(exact, re.IGNORECASE))


def _variants_class(letter: str) -> str:
    """The character class of a letter's case variants, for RE2."""
    return "[" + "".join(rf"\x{{{code:X}}}" for code in case_variants(letter)) + "]"


def _rows_with(captions: pa.Array, pattern: Pattern) -> list[int]:
    """Rows of the captions in which a pattern occurs."""
    likely_rows = pc.indices_nonzero(
        pc.fill_null(pc.match_substring_regex(captions, pattern.prefilter), False)
    )
    return [
        row
        for row in likely_rows.to_pylist()
        if pattern.exact.search(captions[row].as_py()) is not None
    ]


def _occurrences(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of every occurrence, overlapping ones included."""
    occurrence = pattern.search(text)
    while occurrence is not None:
        yield occurrence.span()
        occurrence = pattern.search(text, occurrence.start() + 1)
