"""Long captions searched in pieces: the same entries and spans, and a bound on memory."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from udfs.text import pieces as module
from udfs.text.fts_match import phrase_trie, unicode61
from udfs.text.lemma_match import laionet_matcher, yfcc_matcher
from udfs.text.matchers import MetaclipMatcher, metaclip2_matcher
from udfs.text.metaclip2_match import match_substrings
from udfs.text.pieces import border_table, pieces
from udfs.text.spans import sort_spans
from udfs.text.substring_trie import build_substring_trie
from udfs.text.token_match import match_captions
from udfs.text.token_trie import build_token_trie

PARTS = [
    *("a", "b", "ab", " ", " ", "  ", ",", ",,", ".", "!", "\t", "\n", "\r\n", "\u00a0", "\u3000"),
    *(
        "猫",
        "红色汽车",
        "cat",
        "new york",
        "C++",
        "#1",
        "แมว",
        "😀",
        "，",
        "é",
        "`",
        "a b a",
        "\x00",
    ),
]
ENTRIES = [
    *("a", "b", "a b", "b a", "a b a", "ab", "a ,", ",", "a ,  b", ", ", " ", "", "é", "\u00a0"),
    *("猫", "车", "色汽", "cat", "new york", "C++", "#1", "，", "猫 cat", "cat 猫", "new", "a"),
    *(", ,", "a b a b a", "  ", "b ,  ,", "a  b"),
]
LEMMAS = ["a", "b", "ab", "new york", "cat", "a b", "a b a", "猫", "é"]
Found = tuple[list[list[int]], list[list[int]]]


def long_captions(n: int) -> list[str | None]:
    draws = np.random.default_rng(3)
    sizes = draws.integers(0, 200, n)
    texts: list[str | None] = [
        "".join(PARTS[k] for k in draws.integers(0, len(PARTS), size)) for size in sizes
    ]
    texts[::29] = [None] * len(texts[::29])
    texts[1::29] = ["x" * 700 + "a b"] * len(texts[1::29])  # one token longer than a piece
    texts[2::29] = [" \t猫" * 90 + "\u3000 "] * len(texts[2::29])
    return texts


def by_metaclip(captions: pa.Array) -> Found:
    matcher = MetaclipMatcher(build_token_trie(pa.array(ENTRIES)))
    return matcher.match([captions]).to_pylist(), sort_spans(matcher.spans([captions])).tolist()


def by_metaclip2(captions: pa.Array) -> Found:
    langs = pa.array(["en"] * len(captions))
    matcher = metaclip2_matcher(ENTRIES, ["en"] * len(ENTRIES))
    columns = [captions, langs]
    return matcher.match(columns).to_pylist(), sort_spans(matcher.spans(columns)).tolist()


def by_laionet(captions: pa.Array) -> Found:
    matcher = laionet_matcher(LEMMAS)
    return matcher.match(captions).to_pylist(), sort_spans(matcher.spans(captions)).tolist()


def by_yfcc(captions: pa.Array) -> Found:
    matcher = yfcc_matcher(LEMMAS)
    return matcher.match(captions).to_pylist(), sort_spans(matcher.spans(captions)).tolist()


def by_fts(captions: pa.Array) -> Found:
    trie = phrase_trie([lemma.split() for lemma in LEMMAS])
    return match_captions(captions, trie, unicode61()).to_pylist(), []


def by_text(captions: pa.Array) -> Found:
    trie = build_substring_trie(pa.array([*LEMMAS, " a", "b ", ", ", "  "]))
    found = match_substrings(captions, trie, is_stripped=False, is_spaced=False)
    return found.to_pylist(), []


@pytest.mark.parametrize("find", [by_metaclip, by_metaclip2, by_laionet, by_yfcc, by_fts, by_text])
def test_pieces_of_any_size_give_what_whole_captions_give(
    find: Callable[[pa.Array], Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    captions = pa.array(long_captions(300))
    whole = find(captions)
    assert sum(map(len, whole[0])) > 1_000
    for size in (8, 65, 300):
        monkeypatch.setattr(module, "PIECE_BYTES", size)
        assert find(captions) == whole
        assert find(captions.slice(7, 200))[0] == whole[0][7:207]


@pytest.mark.parametrize("longest", [0, 1, 5, 40])
def test_each_run_of_so_many_bytes_is_whole_in_some_piece(
    longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PIECE_BYTES", 50)
    draws = np.random.default_rng(longest)
    for _ in range(200):
        text = draws.choice(list(b"abc ,"), draws.integers(1, 800), p=[0.3, 0.3, 0.3, 0.05, 0.05])
        cuts = [
            tuple(cut)
            for cut in pieces(
                text.astype(np.uint8), np.int64(0), np.int64(text.size), border_table(" ,"), longest
            )
        ]
        assert cuts[0][0] == 0
        assert cuts[-1][1] == text.size
        assert all(start <= end for start, end in cuts)
        assert all(start == 0 or text[start - 1] in b" ," for start, _ in cuts)
        assert all(end == text.size or text[end] in b" ," for _, end in cuts)
        begins = [0, *(np.flatnonzero(np.isin(text, list(b" ,"))) + 1)]
        for begin in begins:
            end = min(begin + longest, text.size)
            assert any(start <= begin and end <= last for start, last in cuts), (begin, cuts)


GROWTH = """
import resource, sys
import pyarrow as pa
from udfs.text.matchers import MetaclipMatcher, metaclip2_matcher
from udfs.text.lemma_match import laionet_matcher
from udfs.text.token_trie import build_token_trie
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) >> 10
rules = {
    "metaclip": MetaclipMatcher(build_token_trie(pa.array(["a", ", b"]))),
    "metaclip2": metaclip2_matcher(["猫", "a"], ["en"] * 2),
    "laionet": laionet_matcher(["a", "a b"]),
}
rule = rules[sys.argv[1]]
def match(texts):
    captions = pa.array(texts)
    if sys.argv[1] == "laionet":
        return rule.match(captions), rule.spans(captions)
    columns = [captions, pa.array(["en"] * len(texts))][: len(rule.columns)]
    return rule.match(columns), rule.spans(columns)
match(["a photo of a cat, a dog and a mouse on a mat"] * 10_000)
usual = peak()
ids, _ = match(["," * (16 << 20) + " a,c"])
print(peak() - usual, ids.to_pylist())
"""


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "ids"), [("metaclip", [0]), ("metaclip2", [1]), ("laionet", [0])])
def test_a_caption_of_16_mb_of_commas_takes_no_more_than_200_mb(rule: str, ids: list[int]) -> None:
    printed = subprocess.run(
        [sys.executable, "-c", GROWTH, rule], capture_output=True, text=True, check=True
    ).stdout
    grown, _, found = printed.partition(" ")
    assert int(grown) <= 200
    assert found.strip() == str([ids])
