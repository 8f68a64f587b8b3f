"""Bytes that are no UTF-8, given to each rule: a fault, or what the rule finds in other rows.

Validation keeps such rows from the kernels. These must be safe without it: a kernel that leaves its
arrays ends the process, and so the test.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from udfs.text.fts_match import phrase_trie, unicode61
from udfs.text.lemma_match import laionet_matcher, yfcc_matcher
from udfs.text.matchers import MetaclipMatcher, metaclip2_matcher
from udfs.text.metaclip2_match import match_substrings
from udfs.text.substring_trie import build_substring_trie
from udfs.text.token_match import match_captions
from udfs.text.token_trie import build_token_trie, padded_text
from udfs.text.word_match import Lemmatiser, word_matcher

WORDS = ["a", "cat", "a cat", "猫", "é", "\U0010ffff", "ab"]
N_ROWS = 200_000
_LEADS = [*range(0x80, 0x100), 0xED, 0xF4, 0xF7, 0xF8, 0xFF, 0xC0, 0xE0]
Match = Callable[[pa.Array], pa.ListArray]


def metaclip2(captions: pa.Array) -> pa.ListArray:
    langs = pa.array(["en"] * len(captions))
    return metaclip2_matcher(WORDS, ["en"] * len(WORDS)).match([captions, langs])


def words(captions: pa.Array) -> pa.ListArray:
    return word_matcher(["a", "cat"], Lemmatiser(frozenset(["a", "cat"]), {})).match(captions)


RULES: Mapping[str, Match] = {
    "metaclip": lambda rows: MetaclipMatcher(build_token_trie(pa.array(WORDS))).match([rows]),
    "metaclip2": metaclip2,
    "laionet": lambda rows: laionet_matcher(WORDS, is_case_sensitive=False).match(rows),
    "laionet spans": lambda rows: laionet_matcher(WORDS).spans(rows),
    "yfcc": lambda rows: yfcc_matcher(WORDS).match(rows),
    "yfcc spans": lambda rows: yfcc_matcher(["a", "cat"]).spans(rows),
    "fts": lambda rows: match_captions(rows, phrase_trie([["a"], ["a", "cat"]]), unicode61()),
    "text": lambda rows: match_substrings(
        rows, build_substring_trie(pa.array(WORDS)), is_stripped=True
    ),
    "words": words,
}


def hostile(n: int, seed: int) -> pa.StringArray:
    """Rows of random bytes, mostly heads and tails of characters, short ones cut off."""
    draws = np.random.default_rng(seed)
    sizes = draws.choice([0, 1, 1, 1, 2, 3, 5, 40], n)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    size = int(offsets[-1])
    of_heads = draws.choice(_LEADS, size)
    text = np.where(draws.random(size) < 0.8, of_heads, draws.integers(0, 256, size))
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text.astype(np.uint8))]
    return pa.StringArray.from_buffers(n, *buffers[1:])


@pytest.mark.parametrize("rule", RULES)
def test_hostile_bytes_end_no_process(rule: str) -> None:
    for seed in range(2):
        rows = hostile(N_ROWS, seed)
        with pytest.raises(pa.ArrowInvalid):
            rows.validate(full=True)
        try:
            found = RULES[rule](rows)
        except (pa.ArrowInvalid, UnicodeDecodeError):
            continue
        assert len(found) >= (0 if "spans" in rule else N_ROWS)


@pytest.mark.parametrize("rule", [name for name in RULES if "spans" not in name])
def test_valid_rows_between_hostile_ones_have_their_own_ids(rule: str) -> None:
    good = ["a cat", "猫", "", "ab, a", "caté \U0010ffff"] * 400
    expected = RULES[rule](pa.array(good)).to_pylist()
    mixed = [row for pair in zip(good, hostile_bytes(2_000), strict=True) for row in pair]
    data = pa.array([r.encode() if isinstance(r, str) else r for r in mixed], pa.binary())
    rows = pa.StringArray.from_buffers(len(data), *data.buffers()[1:])
    try:
        found = RULES[rule](rows).to_pylist()
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return
    assert found[::2] == expected


def hostile_bytes(n: int) -> list[bytes]:
    draws = np.random.default_rng(5)
    return [bytes(draws.choice(_LEADS, draws.integers(1, 6)).astype(np.uint8)) for _ in range(n)]


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(), pa.large_string(), pa.binary(), pa.large_binary(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
)  # fmt: skip
def test_text_of_any_type_and_slice_has_its_own_bytes(kind: pa.DataType) -> None:
    texts = ["left out", "a cat", None, "", "猫", "behind"]
    whole = pa.array(texts, pa.string())
    rows = (whole.dictionary_encode() if pa.types.is_dictionary(kind) else whole.cast(kind))[1:5]
    offsets, data = padded_text(rows)
    read = [bytes(data[a:b]).decode() for a, b in pairwise(offsets)]
    assert read == ["a cat", "", "", "猫"]
    found = match_captions(rows, build_token_trie(pa.array(["cat", "猫"])))
    assert found.to_pylist() == [[0], [], [], [1]]


def test_a_null_with_bytes_below_it_matches_nothing() -> None:
    offsets, text = np.array([0, 5, 10], np.int32), b"a cata cat"
    is_valid = pa.py_buffer(b"\x01")
    rows = pa.StringArray.from_buffers(
        2, pa.py_buffer(offsets), pa.py_buffer(text), is_valid, null_count=1
    )
    assert rows.to_pylist() == ["a cat", None]
    for match in (RULES["metaclip"], RULES["metaclip2"], RULES["yfcc"], RULES["laionet"]):
        assert match(rows).to_pylist() == [match(pa.array(["a cat"])).to_pylist()[0], []]
