"""Phrases by the rules of SQLite's FTS5 and its tokeniser unicode61."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
import pyarrow as pa

from udfs.text.code_points import (
    DROP,
    N_CODE_POINTS,
    PART,
    SEPARATE,
    CodePoints,
    code_points,
    themselves,
)
from udfs.text.rewriting import rewritten
from udfs.text.token_trie import TokenTrie, build_token_trie

_KINDS = {"part": PART, "separate": SEPARATE, "drop": DROP}


@cache
def unicode61() -> CodePoints:
    """Letters and digits are parts of tokens, folded; marks on them are dropped; all else parts.

    unicode61.tsv holds what SQLite 3.40 does (remove_diacritics 1): the first code point of each
    run, what becomes of the run, and what is added to its code points. It folds case and takes off
    Latin diacritics, if a letter has just one.
    """
    lines = files("udfs.text").joinpath("unicode61.tsv").read_text(encoding="ascii").splitlines()
    runs = [line.split("\t") for line in lines]
    starts = [int(start, 16) for start, _, _ in runs]
    lengths = np.diff([*starts, N_CODE_POINTS])
    kinds = np.repeat(np.array([_KINDS[kind] for _, kind, _ in runs], np.uint8), lengths)
    added = np.repeat(np.array([int(added) for _, _, added in runs], np.int64), lengths)
    return code_points(kinds, (themselves() + added).astype(np.uint32))


def fts_tokens(text: str) -> list[str]:
    """The tokens of a text."""
    spaced: str = rewritten(pa.array([text], pa.string()), unicode61())[0].as_py()
    return spaced.split(" ") if spaced else []


def phrase_trie(phrases: Sequence[Sequence[str]]) -> TokenTrie:
    """The trie of phrases, given as tokens, for match_captions with unicode61."""
    return build_token_trie(pa.array([" ".join(tokens) for tokens in phrases], pa.string()))
