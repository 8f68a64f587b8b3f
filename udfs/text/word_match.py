"""Words of a caption whatever their number: letters alone, in lower case, as WordNet's nouns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.text.code_points import (
    N_CODE_POINTS,
    PART,
    SEPARATE,
    CodePoints,
    code_points,
    themselves,
)
from udfs.text.rewriting import rewritten
from udfs.text.token_match import match_captions
from udfs.text.token_trie import TokenTrie, build_token_trie

# Endings of plurals and what they stand for (WordNet's morphy, nouns).
_ENDINGS = (
    *(("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch")),
    *(("shes", "sh"), ("men", "man"), ("ies", "y")),
)
# What nltk's tokeniser takes apart, of letters alone.
_CONTRACTIONS = {
    **{"cannot": ("can", "not"), "gimme": ("gim", "me"), "gonna": ("gon", "na")},
    **{"gotta": ("got", "ta"), "lemme": ("lem", "me"), "wanna": ("wan", "na")},
}
_DOTTED_I = "\u0130"  # the one letter whose lower case is two characters: i and a mark


@dataclass(frozen=True)
class Lemmatiser:
    """WordNet's morphy for nouns, as nltk 3.10 has it.

    `nouns`: every noun. `exceptions`: irregular form -> nouns.
    """

    nouns: frozenset[str]
    exceptions: Mapping[str, Sequence[str]]

    def lemma(self, word: str) -> str:
        """The shortest noun that a word can be a form of; the word itself where there is none."""
        forms = self.exceptions.get(word) or _without_endings(word)
        known = [form for form in (word, *forms) if form in self.nouns]
        return min(known, key=len) if known else word

    def forms(self, lemma: str) -> list[str]:
        """Every word that has this lemma."""
        candidates = {lemma, *(w for w, nouns in self.exceptions.items() if lemma in nouns)}
        candidates |= {
            lemma.removesuffix(new) + old for old, new in _ENDINGS if lemma.endswith(new)
        }
        return sorted(word for word in candidates if self.lemma(word) == lemma)


def _without_endings(word: str) -> list[str]:
    return [word.removesuffix(old) + new for old, new in _ENDINGS if word.endswith(old)]


@dataclass(frozen=True)
class WordMatcher:
    """Forms of words as one-token entries; `word_of`: the word's number of each entry."""

    trie: TokenTrie
    word_of: NDArray[np.int32]

    def match(self, captions: pa.Array) -> pa.ListArray:
        """Numbers of the words in each caption; one may come twice."""
        plain = pc.replace_substring(captions, _DOTTED_I, "i ")
        found = match_captions(plain, self.trie, _letters())
        return pa.ListArray.from_arrays(found.offsets, pa.array(self.word_of[found.values]))


def word_matcher(words: Sequence[str], lemmatiser: Lemmatiser) -> WordMatcher:
    """The matcher of these lemmas; a word's number is its position."""
    number = {word: i for i, word in enumerate(words)}
    entries = [
        (form, number[word])
        for word in words
        for form in lemmatiser.forms(word)
        if form not in _CONTRACTIONS
    ]
    for contraction, parts in _CONTRACTIONS.items():
        lemmas = dict.fromkeys(lemmatiser.lemma(part) for part in parts)
        entries += [(contraction, number[lemma]) for lemma in lemmas if lemma in number]
    trie = build_token_trie(pa.array([form for form, _ in entries], pa.string()))
    return WordMatcher(trie, np.array([i for _, i in entries], np.int32))


def words_of(text: str, lemmatiser: Lemmatiser) -> list[str]:
    """The lemmas of a text, each once."""
    plain = text.replace(_DOTTED_I, "i ")
    spaced: str = rewritten(pa.array([plain], pa.string()), _letters())[0].as_py()
    parts: Iterable[str] = (
        part for word in spaced.split() for part in _CONTRACTIONS.get(word, (word,))
    )
    return list(dict.fromkeys(lemmatiser.lemma(part) for part in parts))


@cache
def _letters() -> CodePoints:
    """What is a to z in lower case is part of a word, all else stands between words."""
    folded, kinds = themselves(), np.full(N_CODE_POINTS, SEPARATE, np.uint8)
    for code in range(N_CODE_POINTS):
        lower = chr(code).lower()
        if "a" <= lower <= "z" and len(lower) == 1:
            folded[code] = ord(lower)
            kinds[code] = PART
    return code_points(kinds, folded)
