"""Which lemmas occur in a caption, by LAIONet's rule and by that of YFCC15M-Cls."""

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
    CodePoints,
    code_points,
    lower_case,
    themselves,
    word_characters,
)
from udfs.text.lists import with_more
from udfs.text.rewriting import rewritten
from udfs.text.spans import Spans
from udfs.text.token_match import match_captions
from udfs.text.token_spans import token_spans
from udfs.text.token_trie import TokenTrie, build_token_trie

# What a regular expression reads as more than itself, but for the dot.
_PATTERN_SIGNS = set(r"\^$*+?{}[]|()")
_ANY_OTHER = 1  # what a mark that no lemma holds is written as


@dataclass(frozen=True)
class Pattern:
    """A lemma that is searched as a regular expression.

    `likely` is one that finds at least the same captions, in the dialect of Arrow.
    """

    lemma_id: int
    likely: str
    exact: re.Pattern[str]


@dataclass(frozen=True)
class LemmaMatcher:
    """Lemmas to be found as tokens, after the text was rewritten, and some as patterns.

    `spaces`: whether those of the rewritten text stand for code points, as for `token_spans`.
    """

    table: CodePoints
    trie: TokenTrie
    patterns: Sequence[Pattern] = ()
    spaces: Literal["given", "added"] = "given"

    def match(self, captions: pa.Array) -> pa.ListArray:
        """Ids of the lemmas that occur in each caption, ascending and unique."""
        found = match_captions(captions, self.trie, self.table)
        extra = [
            (row, pattern.lemma_id)
            for pattern in self.patterns
            for row in _rows_with(captions, pattern)
        ]
        rows = np.array([row for row, _ in extra], np.int64)
        return with_more(found, rows, np.array([lemma_id for _, lemma_id in extra], np.int32))

    def spans(self, captions: pa.Array) -> Spans:
        """Every occurrence of a lemma, also those that overlap, as in udfs.text.spans."""
        found = token_spans(captions, self.trie, self.table, spaces=self.spaces)
        extra = [
            (row, pattern.lemma_id, start, end)
            for pattern in self.patterns
            for row in _rows_with(captions, pattern)
            for start, end in _occurrences(pattern.exact, captions[row].as_py())
        ]
        return np.concatenate([found, np.array(extra, np.int32).reshape(-1, 4)])


def unpunctuated(lemma: str) -> str:
    """The lemma with ASCII punctuation as spaces, as LAIONet has it of captions."""
    return lemma.translate(dict.fromkeys(map(ord, string.punctuation), " "))


def laionet_matcher(
    lemmas: Sequence[str], *, is_case_sensitive: bool = True, is_cleaned: bool = False
) -> LemmaMatcher:
    """Match `" lemma "` in the padded caption whose ASCII punctuation has become spaces (LAIONet).

    Shirali & Hardt 2023. Tabs, line ends and other spaces part nothing, and two spaces do not make
    one. The lemmas stay as they are, so those with punctuation match nothing, unless `is_cleaned`.
    """
    folded = themselves() if is_case_sensitive else lower_case()
    kinds = np.full(N_CODE_POINTS, PART, np.uint8)
    kinds[ord(" ")] = BREAK
    own = code_points(kinds, folded)
    kinds[[ord(sign) for sign in string.punctuation]] = BREAK
    table = code_points(kinds, folded)
    entries = rewritten(pa.array(lemmas, pa.string()), table if is_cleaned else own)
    return LemmaMatcher(table, build_token_trie(entries))


def yfcc_matcher(lemmas: Sequence[str], *, is_literal: bool = False) -> LemmaMatcher:
    r"""Match a lemma between word boundaries, ignoring case, by the rules of Python's `re`.

    That is `\\b(?:lemma)\\b` (YFCC15M-Cls), where the dot of a lemma stands for any character.
    `is_literal`: it stands for itself, and a lemma that ends in a mark need not be followed by a
    letter. Raises ValueError for a lemma that no pattern can be made of.
    """
    unclear = [lemma for lemma in lemmas if not is_literal and _PATTERN_SIGNS & set(lemma)]
    if unclear:
        raise ValueError(f"lemma {unclear[0]!r} is a pattern, not a word; match lemmas literally")
    letters = sorted(set("".join(lemmas)))
    table = _yfcc_table(letters)
    odd = {letter for letter in letters if _differs_in_kind(letter)}
    as_tokens = [_is_word(lemma, is_literal) and not odd & set(lemma) for lemma in lemmas]
    # An entry that never occurs keeps the ids in step: a mark alone, with a space in it.
    spaced = rewritten(pa.array(lemmas, pa.string()), table).to_pylist()
    entries = [s if as_token else "\0 \0" for s, as_token in zip(spaced, as_tokens, strict=True)]
    patterns = [
        _pattern(lemma_id, lemma, is_literal)
        for lemma_id, lemma in enumerate(lemmas)
        if not as_tokens[lemma_id]
    ]
    trie = build_token_trie(pa.array(entries, pa.string()))
    return LemmaMatcher(table, trie, patterns, spaces="added")


def _yfcc_table(letters: Sequence[str]) -> CodePoints:
    """Words are tokens, and so is each other character; letters that are alike become one."""
    is_word = word_characters()
    folded = themselves()
    folded[~is_word] = _ANY_OTHER
    free = (code for code in range(_ANY_OTHER + 1, 0x30) if code != ord(" "))
    for letter in letters:
        if is_word[ord(letter)]:
            folded[alike(letter)] = alike(letter)[0]
        else:
            folded[ord(letter)] = next(free)
    return code_points(np.where(is_word, PART, MARK).astype(np.uint8), folded)


@cache
def alike(letter: str) -> list[int]:
    """The code points that `re` takes for a letter when it ignores case, ascending."""
    found = re.findall(re.escape(letter), _cased() + letter, re.IGNORECASE)
    return sorted({ord(character) for character in found})


@cache
def _cased() -> str:
    """Every character that has an upper or lower case other than itself."""
    every = (chr(code) for code in range(N_CODE_POINTS) if not 0xD800 <= code < 0xE000)
    return "".join(c for c in every if c.lower() != c or c.upper() != c)


def _differs_in_kind(letter: str) -> bool:
    is_word = word_characters()
    return len({bool(is_word[code]) for code in alike(letter)}) > 1


def _is_word(lemma: str, is_literal: bool) -> bool:
    """Whether a lemma begins and ends inside words and no dot of it stands for more."""
    is_word = word_characters()
    ends = lemma != "" and is_word[ord(lemma[0])] and is_word[ord(lemma[-1])]
    return bool(ends) and (is_literal or "." not in lemma)


def _pattern(lemma_id: int, lemma: str, is_literal: bool) -> Pattern:
    likely = "".join("." if c == "." and not is_literal else _class(c) for c in lemma)
    exact = rf"(?<!\w){re.escape(lemma)}(?!\w)" if is_literal else rf"\b(?:{lemma})\b"
    return Pattern(lemma_id, likely, re.compile(exact, re.IGNORECASE))


def _class(letter: str) -> str:
    return "[" + "".join(rf"\x{{{code:X}}}" for code in alike(letter)) + "]"


def _rows_with(captions: pa.Array, pattern: Pattern) -> list[int]:
    likely = pc.indices_nonzero(
        pc.fill_null(pc.match_substring_regex(captions, pattern.likely), False)
    )
    return [
        row for row in likely.to_pylist() if pattern.exact.search(captions[row].as_py()) is not None
    ]


def _occurrences(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    found = pattern.search(text)
    while found is not None:
        yield found.span()
        found = pattern.search(text, found.start() + 1)
