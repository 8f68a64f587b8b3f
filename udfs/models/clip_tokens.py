"""CLIP's tokeniser in as many threads as the task has CPUs, with the ids of open_clip's own."""

import threading
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.models.clip_cleaning import cleaned
from udfs.models.threads import map_in_threads
from udfs.text.bpe_words import (
    MOST_WORDS,
    NOT_BY_WORDS,
    UNKNOWN,
    empty_word_table,
    kinds_of_cleaned,
    kinds_of_plain,
    with_words,
    write_ids,
)

Ids: TypeAlias = NDArray[np.int32]
_CHUNK = 1024  # texts that a thread takes at once


def tokenize_in_threads(tokenizer: Any, texts: Sequence[str]) -> Ids:
    """The ids of texts by a tokeniser of open_clip, (n, context)."""
    chunks = [texts[start : start + _CHUNK] for start in range(0, len(texts), _CHUNK)]
    return np.concatenate(map_in_threads(lambda chunk: tokenizer(list(chunk)).numpy(), chunks))


def encodes_words_apart(tokenizer: Any) -> bool:
    """Whether a tokeniser of open_clip is CLIP's, which encodes each word of a text by itself."""
    from open_clip.tokenizer import SimpleTokenizer, _clean_lower

    return (
        type(tokenizer) is SimpleTokenizer
        and tokenizer.clean_fn is _clean_lower
        and tokenizer.reduction_fn is None
        and len(tokenizer.all_special_ids) == 2
    )


@cache
def _special_tokens() -> Any:
    """The pattern of CLIP's two special tokens, in any case as the tokeniser's own pattern."""
    import regex  # comes with open_clip

    return regex.compile("<start_of_text>|<end_of_text>", regex.IGNORECASE)


class ClipTokens:
    """CLIP's tokeniser for many texts.

    Most texts are plain: cleaning would change nothing but their case. Others are cleaned first.
    Their words' ids are looked up; a word's first ones are those of open_clip's byte-pair encoding.
    The few texts that name a special token or have very long words go through open_clip's
    tokeniser.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ends = (tokenizer.sot_token_id, tokenizer.eot_token_id)
        self._special = _special_tokens()
        self._table = empty_word_table()
        self._words: set[bytes] = set()
        self._adding, self._cleaning = threading.Lock(), threading.Lock()

    def __call__(self, texts: Sequence[str]) -> Ids:
        """The ids of texts, (n, context), zeros behind the last one of each."""
        tokens = np.zeros((len(texts), self._tokenizer.context_length), np.int32)
        starts = range(0, len(texts), _CHUNK)
        map_in_threads(
            lambda start: self._tokenize(
                texts[start : start + _CHUNK], tokens[start : start + _CHUNK]
            ),
            starts,
        )
        return tokens

    def _tokenize(self, texts: Sequence[str], tokens: Ids) -> None:
        others = self._by_words(texts, kinds_of_plain(), tokens)
        if not others.size:
            return
        with self._cleaning:  # it is Python: threads would only wait for one another
            of_others = [cleaned(texts[k], self._tokenizer.clean_fn) for k in others]
        tokens_of_others = np.zeros((len(of_others), tokens.shape[1]), np.int32)
        odd = self._by_words(of_others, kinds_of_cleaned(), tokens_of_others)
        special = [k for k, text in enumerate(of_others) if self._special.search(text)]
        odd = np.union1d(odd, np.array(special, np.int64))
        if odd.size:
            tokens_of_others[odd] = self._tokenizer([texts[k] for k in others[odd]]).numpy()
        tokens[others] = tokens_of_others

    def _by_words(
        self, texts: Sequence[str], kinds: NDArray[np.uint8], tokens: Ids
    ) -> NDArray[np.int64]:
        """Write the ids of the texts of such kinds of code points; the positions of the others."""
        array = pa.array(texts, pa.large_string())
        lengths = np.full(len(texts), UNKNOWN, np.int32)
        while missing := write_ids(array, kinds, self._table, self._ends, tokens, lengths):
            self._add(missing)
        return np.flatnonzero(lengths == NOT_BY_WORDS)

    def _add(self, words: set[bytes]) -> None:
        """Add words to the table, which begins anew once it is full; other threads read the old."""
        with self._adding:
            new = words - self._words  # another thread may have added some or all of them
            if not new:
                return
            if len(self._words) + len(new) > MOST_WORDS:
                self._table, self._words, new = empty_word_table(), set(), words
            self._table = with_words(self._table, {word: self._ids_of(word) for word in new})
            self._words |= new

    def _ids_of(self, word: bytes) -> list[int]:
        """The ids of a word in lower case, by open_clip's byte-pair encoding."""
        letters = "".join(self._tokenizer.byte_encoder[byte] for byte in word)
        pieces = self._tokenizer.bpe(letters).split(" ")
        self._tokenizer.cache.pop(letters, None)  # it would grow without end
        return [self._tokenizer.encoder[piece] for piece in pieces]
