"""Whether a text has a word of a list: words between Unicode's white space, in any case."""

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import pyarrow as pa

from udfs.arrow import Batches, BatchFunction
from udfs.compiled import one_compiles
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


def word_trie(words: Sequence[str]) -> TokenTrie:
    """The trie of words in lower case, without white space."""
    return build_token_trie(pa.array(words, pa.string()))


def has_listed_word(texts: pa.Array, trie: TokenTrie) -> pa.BooleanArray:
    """Whether one of Python's `text.split()`, in lower case, is in the trie; False for null."""
    lengths = np.diff(match_captions(texts, trie, _white_space_table()).offsets.to_numpy())
    return pa.array(lengths > 0)


def add_has_listed_word(trie: TokenTrie, *, text: str, column: str) -> BatchFunction:
    """For mapInArrow: the rows with a boolean `column`, `has_listed_word` of their `text`."""

    def add(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_compiles("match_words"):
            has_listed_word(pa.array([], pa.string()), trie)
        for batch in batches:
            names = [*batch.schema.names, column]
            columns = [*batch.columns, has_listed_word(batch.column(text), trie)]
            yield pa.RecordBatch.from_arrays(columns, names)

    return add


@cache
def _white_space_table() -> CodePointTable:
    r"""The table for `str.split()`: white space separates, all else is part of a word, folded.

    The one character whose lower case is two, İ, stays itself: no word of WordNet has it.
    """
    is_space = [chr(code).isspace() for code in range(N_CODE_POINTS)]
    kinds = np.where(is_space, SEPARATE, PART).astype(np.uint8)
    return build_code_point_table(kinds, lower_case_folding())
