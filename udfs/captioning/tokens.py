"""Tokens of captions as 64-bit hashes, by one of three rules; each distinct word is cut once."""

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.captioning.token_rules import mteval_tokens, penn_tokens, prepared_for_penn
from udfs.captioning.words import Words, split_words
from udfs.compiled import compiled

Cut: TypeAlias = Callable[[str], list[str]]  # a word's tokens
TokenRule = Literal["ptb", "13a", "none"]
_MOST_KNOWN = 1 << 20  # distinct words that a worker remembers


class Tokens(NamedTuple):
    """Tokens of n texts: those of text i are hashes[offsets[i] : offsets[i + 1]].

    `offsets`: (n + 1,). `hashes`: (n_tokens,).
    """

    offsets: NDArray[np.int64]
    hashes: NDArray[np.uint64]


class Tokeniser:
    """Cuts captions into tokens by a rule, and remembers how it cut each distinct word.

    "none": words between white space, as they are. "13a": sacrebleu's default, that of mteval-v13a.
    "ptb": those of pycocoevalcap, Stanford's Penn Treebank tokens in lower case without
    punctuation.
    """

    def __init__(self, rule: TokenRule) -> None:
        self._rule = rule
        self._known = _Known()

    def tokens(self, captions: pa.Array) -> Tokens:
        """Tokens of an Arrow array of strings; a null has none."""
        if self._rule == "none":
            words = split_words(captions)
            return Tokens(words.offsets, words.hashes)
        cut = mteval_tokens if self._rule == "13a" else penn_tokens
        if self._rule == "ptb":
            captions = prepared_for_penn(captions)
        return self._known.tokens(split_words(captions), cut)

    def texts(self, captions: pa.Array) -> list[str]:
        """The tokens of each caption as text, with spaces between: what `tokens` are hashes of."""
        if self._rule == "none":
            return [" ".join((caption or "").split()) for caption in captions.to_pylist()]
        cut = mteval_tokens if self._rule == "13a" else penn_tokens
        if self._rule == "ptb":
            captions = prepared_for_penn(captions)
        return [
            " ".join(token for word in text.split() for token in cut(word))
            for text in captions.fill_null("").to_pylist()
        ]


class _Known:
    """Tokens of the distinct words seen so far, by the words' hashes."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._words = np.empty(0, np.uint64)  # ascending
        self._places = np.empty(0, np.int64)  # of each word in offsets
        self._offsets = np.zeros(1, np.int64)
        self._hashes = np.empty(0, np.uint64)

    def tokens(self, words: Words, cut: Cut) -> Tokens:
        """The words' tokens; `cut` gives those of one word."""
        distinct, first = np.unique(words.hashes, return_index=True)
        if self._words.size > _MOST_KNOWN:
            self._clear()
        at = np.searchsorted(self._words, distinct)
        is_known = at < self._words.size
        is_known[is_known] = self._words[at[is_known]] == distinct[is_known]
        self._learn(words, distinct[~is_known], first[~is_known], cut)
        places = self._places[np.searchsorted(self._words, words.hashes)]
        return Tokens(*_expand(words.offsets, places, self._offsets, self._hashes))

    def _learn(
        self, words: Words, new: NDArray[np.uint64], first: NDArray[np.int64], cut: Cut
    ) -> None:
        if not new.size:
            return
        texts = pa.array([" ".join(cut(words.word(k))) for k in first.tolist()], pa.large_string())
        cut_words = split_words(texts)
        places = np.arange(new.size) + self._places.size
        order = np.argsort(np.concatenate([self._words, new]), kind="stable")
        self._words = np.concatenate([self._words, new])[order]
        self._places = np.concatenate([self._places, places])[order]
        self._offsets = np.concatenate([self._offsets, self._hashes.size + cut_words.offsets[1:]])
        self._hashes = np.concatenate([self._hashes, cut_words.hashes])


@compiled
def _expand(offsets, places, token_offsets, token_hashes):
    """(offsets, hashes) of the tokens of texts whose words stand at `places`."""
    n_tokens = 0
    for k in range(places.size):
        n_tokens += token_offsets[places[k] + 1] - token_offsets[places[k]]
    hashes = np.empty(n_tokens, np.uint64)
    new_offsets = np.zeros(offsets.size, np.int64)
    n = 0
    for row in range(offsets.size - 1):
        for k in range(offsets[row], offsets[row + 1]):
            for at in range(token_offsets[places[k]], token_offsets[places[k] + 1]):
                hashes[n] = token_hashes[at]
                n += 1
        new_offsets[row + 1] = n
    return new_offsets, hashes
