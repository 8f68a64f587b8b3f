"""Match words by their WordNet noun lemmas, so in singular and plural: runs of a-z, any case."""

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
    CodePointTable,
    build_code_point_table,
    identity_folding,
)
from udfs.text.rewriting import rewrite_as_array
from udfs.text.token_match import match_captions
from udfs.text.token_trie import TokenTrie, build_token_trie

# Plural ending -> singular ending (the rules of detachment for nouns in WordNet's morphy).
_ENDINGS = (
    *(("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch")),
    *(("shes", "sh"), ("men", "man"), ("ies", "y")),
)
# The words of letters alone that nltk's tokeniser splits in two.
_CONTRACTIONS = {
    **{"cannot": ("can", "not"), "gimme": ("gim", "me"), "gonna": ("gon", "na")},
    **{"gotta": ("got", "ta"), "lemme": ("lem", "me"), "wanna": ("wan", "na")},
}
_DOTTED_I = "\u0130"  # its lower case is two characters, i and a combining dot


@dataclass(frozen=True)
class Lemmatiser:
    """WordNet's morphy for nouns, as in nltk 3.10.

    `nouns`: all noun lemmas. `exceptions`: irregular form -> its lemmas.
    """

    nouns: frozenset[str]
    exceptions: Mapping[str, Sequence[str]]

    def lemma(self, word: str) -> str:
        """The shortest noun that a word can be a form of; the word itself if there is none."""
        forms = self.exceptions.get(word) or _possible_singulars(word)
        nouns = [form for form in (word, *forms) if form in self.nouns]
        return min(nouns, key=len) if nouns else word

    def forms(self, lemma: str) -> list[str]:
        """All words that have this lemma, sorted."""
        candidates = {lemma, *(w for w, nouns in self.exceptions.items() if lemma in nouns)}
        candidates |= {
            lemma.removesuffix(singular) + plural
            for plural, singular in _ENDINGS
            if lemma.endswith(singular)
        }
        return sorted(word for word in candidates if self.lemma(word) == lemma)


def _possible_singulars(word: str) -> list[str]:
    return [
        word.removesuffix(plural) + singular
        for plural, singular in _ENDINGS
        if word.endswith(plural)
    ]


@dataclass(frozen=True)
class WordMatcher:
    """Matches words by their forms, each an entry of one token.

    `entry_words`: (n_entries,), the number of the word that an entry is a form of.
    """

    trie: TokenTrie
    entry_words: NDArray[np.int32]

    def match(self, captions: pa.Array) -> pa.ListArray:
        """Numbers of the words in each caption, in no order; two forms of a word give it twice."""
        undotted = pc.replace_substring(captions, _DOTTED_I, "i ")
        matches = match_captions(undotted, self.trie, _letter_table())
        word_numbers = pa.array(self.entry_words[matches.values])
        return pa.ListArray.from_arrays(matches.offsets, word_numbers)


def word_matcher(words: Sequence[str], lemmatiser: Lemmatiser) -> WordMatcher:
    """Build the matcher of words, given as lemmas; a word's number is its position."""
    numbers = {word: number for number, word in enumerate(words)}
    entries = [
        (form, numbers[word])
        for word in words
        for form in lemmatiser.forms(word)
        if form not in _CONTRACTIONS
    ]
    for contraction, parts in _CONTRACTIONS.items():
        lemmas = dict.fromkeys(lemmatiser.lemma(part) for part in parts)
        entries += [(contraction, numbers[lemma]) for lemma in lemmas if lemma in numbers]
    trie = build_token_trie(pa.array([form for form, _ in entries], pa.string()))
    return WordMatcher(trie, np.array([number for _, number in entries], np.int32))


def words_of(text: str, lemmatiser: Lemmatiser) -> list[str]:
    """The lemmas of a text's words, each once, by first occurrence."""
    undotted = text.replace(_DOTTED_I, "i ")
    spaced: str = rewrite_as_array(pa.array([undotted], pa.string()), _letter_table())[0].as_py()
    parts: Iterable[str] = (
        part for word in spaced.split() for part in _CONTRACTIONS.get(word, (word,))
    )
    return list(dict.fromkeys(lemmatiser.lemma(part) for part in parts))


@cache
def _letter_table() -> CodePointTable:
    """The table for words: what is a to z in lower case is part of one, all else separates."""
    folded, kinds = identity_folding(), np.full(N_CODE_POINTS, SEPARATE, np.uint8)
    for code in range(N_CODE_POINTS):
        lower = chr(code).lower()
        if "a" <= lower <= "z" and len(lower) == 1:
            folded[code] = ord(lower)
            kinds[code] = PART
    return build_code_point_table(kinds, folded)
