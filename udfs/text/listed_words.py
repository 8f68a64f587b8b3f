"""Whether a text has a word of a list: words between Unicode's white space, in any case."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from udfs.arrow import Batches, BatchFunction
from udfs.compiled import one_compiles
from udfs.text.ascii_words import WordTable, has_ascii_word, word_table
from udfs.text.code_points import (
    N_CODE_POINTS,
    PART,
    SEPARATE,
    CodePointTable,
    build_code_point_table,
    lower_case_folding,
)
from udfs.text.token_match import match_captions
from udfs.text.token_trie import TokenTrie, build_token_trie


class ListedWords(NamedTuple):
    """Words in lower case, without white space: a table for ASCII, and a trie for other texts."""

    table: WordTable
    trie: TokenTrie


def listed_words(words: Sequence[str]) -> ListedWords:
    """The words for `has_listed_word`, distinct and in lower case."""
    return ListedWords(word_table(words), build_token_trie(pa.array(words, pa.string())))


def has_listed_word(texts: pa.Array, words: ListedWords) -> pa.BooleanArray:
    """Whether one of Python's `text.split()`, in lower case, is listed; False for null."""
    has_word, unread = has_ascii_word(texts, words.table)
    if not unread.size:
        return has_word
    rest = texts.take(pa.array(unread))
    lengths = np.diff(match_captions(rest, words.trie, _white_space_table()).offsets.to_numpy())
    with_rest = has_word.to_numpy(zero_copy_only=False).copy()
    with_rest[unread] = lengths > 0
    return pa.array(with_rest)


def add_has_listed_word(words: ListedWords, *, text: str, column: str) -> BatchFunction:
    """For mapInArrow: the rows with a boolean `column`, `has_listed_word` of their `text`."""

    def add(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_compiles("match_words"):
            has_listed_word(pa.array(["a \xe4"]), words)
        for batch in batches:
            names = [*batch.schema.names, column]
            columns = [*batch.columns, has_listed_word(batch.column(text), words)]
            yield pa.RecordBatch.from_arrays(columns, names)

    return add


def keep_with_listed_word(words: ListedWords, *, text: str) -> BatchFunction:
    """For mapInArrow: the rows whose `text` has a listed word."""
    add = add_has_listed_word(words, text=text, column="")

    def keep(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in add(batches):
            names = batch.schema.names[:-1]
            rows = pa.RecordBatch.from_arrays(batch.columns[:-1], names)
            yield rows.filter(batch.column(len(names)))

    return keep


@cache
def _white_space_table() -> CodePointTable:
    r"""The table for `str.split()`: white space separates, all else is part of a word, folded.

    The one character whose lower case is two, İ, stays itself: no word of WordNet has it.
    """
    is_space = [chr(code).isspace() for code in range(N_CODE_POINTS)]
    kinds = np.where(is_space, SEPARATE, PART).astype(np.uint8)
    return build_code_point_table(kinds, lower_case_folding())
