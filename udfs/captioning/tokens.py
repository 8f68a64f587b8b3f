"""Tokens of captions as 64-bit hashes, by one of three rules; each distinct word is cut once."""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.captioning.token_rules import (
    mteval_tokens,
    penn_tokens,
    prepared_for_mteval,
    prepared_for_penn,
)
from udfs.captioning.words import Words, split_words
from udfs.compiled import compiled

Cut: TypeAlias = Callable[[str], list[str]]  # a word's tokens
TokenRule = Literal["ptb", "13a", "none"]
_MOST_KNOWN = 1 << 20  # distinct words that a worker remembers
_PIECE = 1 << 14  # words that are looked up before the table may have to grow


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
        prepared, cut = _RULES[self._rule]
        return self._known.tokens(split_words(prepared(captions)), cut)

    def texts(self, captions: pa.Array) -> list[str]:
        """The tokens of each caption as text, with spaces between: what `tokens` are hashes of."""
        if self._rule == "none":
            return [" ".join((caption or "").split()) for caption in captions.to_pylist()]
        prepared, cut = _RULES[self._rule]
        return [
            " ".join(token for word in text.split() for token in cut(word))
            for text in prepared(captions).fill_null("").to_pylist()
        ]


# What a rule writes into captions before they are cut into words, and a word's tokens.
_RULES: Mapping[TokenRule, tuple[Callable[[pa.Array], pa.Array], Cut]] = {
    "ptb": (prepared_for_penn, penn_tokens),
    "13a": (prepared_for_mteval, mteval_tokens),
}


class _Known:
    """Tokens of the distinct words seen so far: word k's are hashes[offsets[k] : offsets[k + 1]].

    The words stand in a hash table with linear probing: `slots` has each one's hash, `numbers` its
    k, or -1 where a slot is free.
    """

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._slots, self._numbers = np.zeros(16, np.uint64), np.full(16, -1)
        self._offsets = np.zeros(1, np.int64)
        self._hashes = np.empty(0, np.uint64)

    def tokens(self, words: Words, cut: Cut) -> Tokens:
        """The words' tokens; `cut` gives those of one word."""
        if self._offsets.size > _MOST_KNOWN:
            self._clear()
        numbers = [
            self._numbers_of(words, start, cut) for start in range(0, words.hashes.size, _PIECE)
        ]
        places = np.concatenate([np.empty(0, np.int64), *numbers])
        return Tokens(*_expand(words.offsets, places, self._offsets, self._hashes))

    def _numbers_of(self, words: Words, start: int, cut: Cut) -> NDArray[np.int64]:
        """The numbers of _PIECE words from `start` on, the new ones among them cut."""
        hashes, n_known = words.hashes[start : start + _PIECE], self._offsets.size - 1
        n_needed = 2 * (n_known + hashes.size)
        if n_needed > self._slots.size:
            grown = _grown(self._slots, self._numbers, 1 << n_needed.bit_length())
            self._slots, self._numbers = grown
        numbers, first = _numbered(hashes, self._slots, self._numbers, n_known)
        if first.size:
            texts = [" ".join(cut(words.word(start + k))) for k in first.tolist()]
            new = split_words(pa.array(texts, pa.large_string()))
            self._offsets = np.concatenate([self._offsets, self._hashes.size + new.offsets[1:]])
            self._hashes = np.concatenate([self._hashes, new.hashes])
        return np.asarray(numbers)


@compiled
def _numbered(hashes, slots, slot_numbers, n_known):
    """(numbers, first): the number of each word, and where each new one is met first.

    New words enter the table, which must have room for all, as n_known, n_known + 1 ...
    """
    numbers = np.empty(hashes.size, np.int64)
    first = np.empty(hashes.size, np.int64)
    n_new = 0
    for k in range(hashes.size):
        slot = np.int64(hashes[k] & np.uint64(slots.size - 1))
        while slot_numbers[slot] >= 0 and slots[slot] != hashes[k]:
            slot = (slot + 1) & (slots.size - 1)
        if slot_numbers[slot] < 0:
            slots[slot], slot_numbers[slot] = hashes[k], n_known + n_new
            first[n_new] = k
            n_new += 1
        numbers[k] = slot_numbers[slot]
    return numbers, first[:n_new].copy()


@compiled
def _grown(slots, slot_numbers, n_slots):
    """The table with n_slots, a power of two."""
    new_slots, new_numbers = np.zeros(n_slots, np.uint64), np.full(n_slots, -1)
    for old in range(slots.size):
        if slot_numbers[old] >= 0:
            slot = np.int64(slots[old] & np.uint64(n_slots - 1))
            while new_numbers[slot] >= 0:
                slot = (slot + 1) & (n_slots - 1)
            new_slots[slot], new_numbers[slot] = slots[old], slot_numbers[old]
    return new_slots, new_numbers


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
