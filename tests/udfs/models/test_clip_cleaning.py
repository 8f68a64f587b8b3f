"""Texts that are cleaned without ftfy's repairs against the tokeniser's own function."""

import re

import ftfy
import numpy as np
from ftfy.badness import BADNESS_RE, is_bad
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import _clean_lower

from tests.udfs.models.test_clip_tokens import PARTS
from udfs.models import clip_cleaning
from udfs.models.clip_cleaning import cleaned

# What ftfy's heuristics look at, beside what is common in captions.
CHARACTERS = (
    "abzAZ09 .,;&#x<>'\"-\t\n" * 3
    + "ÃÂâàéèüößœŒ€™“”‘’‹›«»¡¿©®°²³¹¼½×÷£¥§¶ªº\xa0\xad¦¨¬¯¸ƒˆ˜†‡‰≈√∂≤≥µ"
    + "ВГРСЂўвиΒΓΞΟβāαωØÙسش猫ไ😀\u0300\u0301│╗▒\ufb01\uff21\u3000\u2028\x85\x9d\ufffd"
)
ENTITIES = (
    "&amp;",
    "&copy",
    "&AMP;",
    "&EACUTE;",
    "&#39;",
    "&#x2019;",
    "R&B",
    "S&P 500",
    "&;",
    "& ",
)


def without_space(text: str) -> str:
    return " ".join(text.split())


def holds(text: str) -> bool:
    return without_space(cleaned(text, _clean_lower)) == without_space(_clean_lower(text))


def test_texts_of_what_ftfy_looks_at() -> None:
    draws = np.random.default_rng(0)
    characters = list(CHARACTERS)
    n_quick = 0
    for _ in range(6_000):
        parts = draws.choice(characters, draws.integers(1, 12)).tolist()
        if draws.random() < 0.3:
            parts.insert(0, str(draws.choice(ENTITIES)))
        if draws.random() < 0.5:
            parts.insert(int(draws.integers(0, len(parts))), "some words of a long caption ")
        text = "".join(parts)
        assert holds(text), text
        n_quick += not clip_cleaning._may_change(text)
    assert n_quick > 1_200


def test_pairs_and_triples_of_letters_that_wrong_decoding_makes() -> None:
    odd = sorted(set(CHARACTERS))
    for first in odd:
        for second in odd:
            text = f"{first}{second}b, word {first}{second} {first}.{second}"
            assert holds(text), text


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text(text: str) -> None:
    assert holds(text)


def test_parts_of_captions() -> None:
    draws = np.random.default_rng(1)
    for _ in range(1_000):
        text = " ".join(draws.choice(PARTS, draws.integers(1, 8)))
        assert holds(text), text


def test_most_captions_need_no_repair() -> None:
    for text in (
        "Rock & Roll",
        "Crème brûlée – 12 € (new)",
        "H&M purse",
        "Über den Wolken",
        "猫と犬",
    ):
        assert not clip_cleaning._may_change(text)
        assert holds(text)


def test_a_misdecoded_text_is_at_most_seven_characters_wide() -> None:
    parser = getattr(re, "_parser")  # noqa: B009
    pattern = parser.parse(BADNESS_RE.pattern, BADNESS_RE.flags)
    assert pattern.getwidth()[1] <= 7


def test_no_other_letter_alone_looks_misdecoded() -> None:
    """Whatever ASCII is around it."""
    odd = sorted({c for c in BADNESS_RE.pattern if not c.isascii()})
    ranges = re.findall("([^\x00-\x7f])-([^\x00-\x7f])", BADNESS_RE.pattern)
    odd += [chr(c) for first, last in ranges for c in range(ord(first), ord(last) + 1)]
    around = ["", "a", "Z", "0", " ", "a ", ". ", "?", ",", "\t", "  ", "-", "$ ", "a. "]
    for letter in odd:
        texts = [f"{before}{letter}{after}" for before in around for after in around]
        if any(map(is_bad, texts)):
            assert clip_cleaning._SUSPICIOUS.search(letter)
    assert len(odd) > 500


def test_characters_beyond_the_basic_plane_are_never_mended_alone() -> None:
    separator = "\U000f0000"
    beyond = [chr(c) for c in (*range(0x10000, 0x32000), *range(0xE0000, 0xE0200))]
    alone = ftfy.TextFixerConfig(
        fix_encoding=False, normalization=None, explain=False, max_decode_length=1 << 22
    )
    assert ftfy.fix_text(separator.join(beyond), alone).split(separator) == beyond
