"""LAIONet's and YFCC15M-Cls' rules against their plain definitions and the published results."""

import json
import re
import string
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from udfs.text.code_points import N_CODE_POINTS
from udfs.text.lemma_match import (
    LemmaMatcher,
    case_variants,
    laionet_matcher,
    unpunctuated,
    yfcc_matcher,
)

Rule = Callable[[str, str], bool]

# Pieces in which the rules part: marks, spaces of every kind, letters that fold, odd bytes.
PIECES = [
    *("tench", "Tinca tinca", "ant", "ANT", "great white shark", "white  shark", "U-boat", "R.V."),
    *("three-toed sloth", "yellow lady's slipper", "kit fox", "crème", "CRÈME", "stork", "ſtork"),
    *(
        "tenK",
        "ten\u212a",
        "İpod",
        "ıpod",
        "iPod",
        "rxv5",
        "R V ",
        "R\nV.",
        "r.v.x",
        "µm",
        "\u039cM",
    ),
    *(
        " ",
        "  ",
        "\t",
        "\n",
        "\r\n",
        "\u00a0",
        "\u2028",
        "-",
        "_",
        "'",
        "’",
        ".",
        ",",
        "!",
        '"',
        "(",
    ),
    *("1", "é", "中", "鳥", "\u0301", "\u0345", "ι", "😀", "\x00", "\x02", "\x1f", "", "a", "the"),
    *("\u039cM", "("),
]
LEMMAS = [
    *("tench", "Tinca tinca", "ant", "great white shark", "white shark", "U-boat", "R.V."),
    *("three-toed sloth", "yellow lady's slipper", "kit fox", "crème", "stork", "tenk", "iPod"),
    *("µm", "ant", "ι", "a", "the ant", "o'clock", "St. Bernard", "鳥", "rock'n'roll"),
]


def made_up(n: int, seed: int) -> list[str | None]:
    draws = np.random.default_rng(seed)
    sizes = draws.integers(0, 9, n)
    parts = draws.integers(0, len(PIECES), (n, 9))
    texts: list[str | None] = [
        "".join(PIECES[k] for k in row[:size]) for row, size in zip(parts, sizes, strict=True)
    ]
    texts[::97] = [None] * len(texts[::97])
    return texts


def laionet(lemma: str, text: str, *, fold: bool = False, clean: bool = False) -> bool:
    """`" lemma "` in the padded text whose ASCII punctuation has become spaces."""
    spaced = "".join(" " if c in string.punctuation else c for c in f" {text} ")
    told = unpunctuated(lemma) if clean else lemma
    if fold:
        spaced, told = one_to_one_lower(spaced), one_to_one_lower(told)
    return f" {told} " in spaced


def one_to_one_lower(text: str) -> str:
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def yfcc(lemma: str, text: str) -> bool:
    return re.search(rf"\b({lemma})\b", text, re.IGNORECASE) is not None


def yfcc_literal(lemma: str, text: str) -> bool:
    return re.search(rf"(?<!\w)({re.escape(lemma)})(?!\w)", text, re.IGNORECASE) is not None


RULES: dict[str, tuple[Callable[[list[str]], LemmaMatcher], Rule]] = {
    "laionet": (laionet_matcher, laionet),
    "laionet, any case": (
        partial(laionet_matcher, is_case_sensitive=False),
        partial(laionet, fold=True),
    ),
    "laionet, clean": (partial(laionet_matcher, is_cleaned=True), partial(laionet, clean=True)),
    "yfcc": (yfcc_matcher, yfcc),
    "yfcc, literal": (partial(yfcc_matcher, is_literal=True), yfcc_literal),
}


@pytest.mark.parametrize("name", RULES)
def test_ten_thousand_captions_match_as_by_the_plain_definition(name: str) -> None:
    build, holds = RULES[name]
    captions = made_up(10_000, seed=len(name))
    found = build(LEMMAS).match(pa.array(captions)).to_pylist()
    plain = [
        [] if text is None else [k for k, lemma in enumerate(LEMMAS) if holds(lemma, text)]
        for text in captions
    ]
    assert found == plain
    matched = {k for ids in found for k in ids}
    assert len(matched) > len(LEMMAS) // 2


@pytest.mark.parametrize("name", RULES)
def test_spans_are_all_occurrences(name: str) -> None:
    build, _ = RULES[name]
    captions = made_up(10_000, seed=7)
    expected = [
        (row, k, start, end)
        for row, text in enumerate(captions)
        if text is not None
        for k, lemma in enumerate(LEMMAS)
        for start, end in (yfcc_spans if name.startswith("yfcc") else laionet_spans)(
            lemma, text, name
        )
    ]
    found = build(LEMMAS).spans(pa.array(captions))
    assert sorted(map(tuple, found.tolist())) == sorted(expected)
    assert len(expected) > 1_000


def laionet_spans(lemma: str, text: str, name: str) -> list[tuple[int, int]]:
    spaced = "".join(" " if c in string.punctuation else c for c in f" {text} ")
    told = unpunctuated(lemma) if "clean" in name else lemma
    if "any case" in name:
        spaced, told = one_to_one_lower(spaced), one_to_one_lower(told)
    starts = [k for k in range(len(text)) if spaced.startswith(f" {told} ", k)]
    return [(k, k + len(told)) for k in starts]


def yfcc_spans(lemma: str, text: str, name: str) -> list[tuple[int, int]]:
    exact = rf"(?<!\w)({re.escape(lemma)})(?!\w)" if "literal" in name else rf"\b({lemma})\b"
    return [m.span(1) for m in re.finditer(f"(?={exact})", text, re.IGNORECASE)]


def test_slices_large_strings_and_nothing_at_all() -> None:
    matcher = yfcc_matcher(["ant", "R.V."])
    captions = pa.array(["x", "an ant", "RxV5", None], pa.large_string())
    assert matcher.match(captions.slice(1)).to_pylist() == [[0], [1], []]
    assert matcher.match(pa.array([], pa.string())).to_pylist() == []
    assert yfcc_matcher([]).match(pa.array(["ant"])).to_pylist() == [[]]


def test_letters_that_arealike_are_those_of_python() -> None:
    """Over every code point, for the letters that are odd and some that are not."""
    every = "".join(chr(c) for c in range(N_CODE_POINTS) if not 0xD800 <= c < 0xE000)
    for letter in "aikszåéßµσθι-1' ":
        found = re.findall(re.escape(letter), every, re.IGNORECASE)
        assert case_variants(letter) == sorted(map(ord, found))


@pytest.mark.parametrize("lemma", ["C++", "what?", "a|b", "(x)"])
def test_a_lemma_that_is_a_pattern_is_refused_unless_literal(lemma: str) -> None:
    with pytest.raises(ValueError, match="is a pattern, not a word"):
        yfcc_matcher(["ant", lemma])
    text = pa.array([f"so {lemma}, yes", "ant"])
    assert yfcc_matcher(["ant", lemma], is_literal=True).match(text).to_pylist() == [[1], [0]]


class TestPublished:
    def test_yfcc(self, cases: Path) -> None:
        matcher, labels = yfcc_of(cases)
        lines = (cases / "yfcc_cls/input.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        found = matcher.match(pa.array([row["caption"] for row in rows])).to_pylist()
        pairs = {(rows[k]["filepath"], labels[i]) for k, ids in enumerate(found) for i in ids}
        published = pq.read_table(cases / "yfcc_cls/expected.parquet").to_pylist()
        assert pairs == {(row["filepath"], row["label"]) for row in published}

    def test_yfcc_on_web_captions(self, cases: Path) -> None:
        matcher, labels = yfcc_of(cases)
        rows = pq.read_table(cases / "laion_real/input.parquet")
        found = matcher.match(rows["TEXT"].combine_chunks()).to_pylist()
        row_of = rows["row"].to_pylist()
        pairs = {(row_of[k], labels[i]) for k, ids in enumerate(found) for i in ids}
        published = pq.read_table(cases / "laion_real/expected_yfcc.parquet").to_pylist()
        assert pairs == {(row["row"], row["label"]) for row in published}

    def test_laionet_on_web_captions(self, cases: Path) -> None:
        file = cases / "laionet_labels/expected_lemma_to_wnid.json"
        wnid_of = json.loads(file.read_text(encoding="utf-8"))
        lemmas = list(wnid_of)
        rows = pq.read_table(cases / "laion_real/input.parquet")
        found = laionet_matcher(lemmas).match(rows["TEXT"].combine_chunks()).to_pylist()
        row_of = rows["row"].to_pylist()
        pairs = {(row_of[k], wnid_of[lemmas[i]]) for k, ids in enumerate(found) for i in ids}
        published = pq.read_table(cases / "laion_real/expected_laionet.parquet").to_pylist()
        assert pairs == {(row["row"], row["wnid"]) for row in published}


def yfcc_of(cases: Path) -> tuple[LemmaMatcher, list[int]]:
    """The matcher of the published lemmas, and the label of each."""
    lines = (cases / "yfcc_cls/lemmas_by_class.tsv").read_text(encoding="utf-8").splitlines()
    pairs = [(i, lemma) for i, line in enumerate(lines) for lemma in line.split("\t")[1:]]
    return yfcc_matcher([lemma for _, lemma in pairs]), [i for i, _ in pairs]
