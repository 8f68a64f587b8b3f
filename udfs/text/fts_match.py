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
    CodePointTable,
    build_code_point_table,
    identity_folding,
)
from udfs.text.rewriting import rewrite_as_array
from udfs.text.token_trie import TokenTrie, build_token_trie

_KINDS = {"part": PART, "separate": SEPARATE, "drop": DROP}


@cache
def unicode61() -> CodePointTable:
    """The tokeniser's table: letters and digits are folded, diacritics dropped, the rest separates.

    unicode61.tsv holds what SQLite 3.40 does (remove_diacritics 1), one line per run of code
    points: the first (hexadecimal), the kind, and the offset to what they are written as. Folding
    lowers the case and removes a Latin letter's diacritic if it has only one.
    """
    lines = files("udfs.text").joinpath("unicode61.tsv").read_text(encoding="ascii").splitlines()
    runs = [line.split("\t") for line in lines]
    starts = [int(start, 16) for start, _, _ in runs]
    lengths = np.diff([*starts, N_CODE_POINTS])
    kinds = np.repeat(np.array([_KINDS[kind] for _, kind, _ in runs], np.uint8), lengths)
    offsets = np.repeat(np.array([int(offset) for _, _, offset in runs], np.int64), lengths)
    return build_code_point_table(kinds, (identity_folding() + offsets).astype(np.uint32))


def fts_tokens(text: str) -> list[str]:
    """The folded tokens of a text, in order."""
    spaced: str = rewrite_as_array(pa.array([text], pa.string()), unicode61())[0].as_py()
    return spaced.split(" ") if spaced else []


def phrase_trie(phrases: Sequence[Sequence[str]]) -> TokenTrie:
    """Build the trie of phrases, each given as its tokens, for match_captions with unicode61."""
    return build_token_trie(pa.array([" ".join(tokens) for tokens in phrases], pa.string()))
