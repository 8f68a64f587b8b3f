"""The ids of open_clip's tokeniser, for any text, from tables of words and several threads."""

from typing import Any

import numpy as np
import open_clip
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from udfs.models import clip_tokens
from udfs.models.clip_tokens import ClipTokens, encodes_words_apart
from udfs.text import bpe_words

PARTS = [
    *("a", "Photo", "of", "DOG", "supercalifragilistic", "x" * 70, "don't", "'S", "we'LL"),
    *("'", "''", ".'s", "'ſ", "ſ", "K", "İ", "ß", "ﬁ", "crème", "cre\u0300me", "猫", "猫" * 30),
    *("ไทย", "'re've", "\u0345", "\u200b"),
    *("12", "½", "٣", "²", "1,000.50", "...!?", "—", "“‘it’s’”", "😀", "👩‍👩‍👧"),
    *("&amp;", "&amp;lt;", "&lt;b&gt;", "&#39;s", "&nbsp;", "&", "<", "<end_of_text>"),
    *("<START_OF_TEXT>", "<start_of_text", "&lt;end_of_text&gt;", "schÃ¶n", "â€™s", "\x1b[31m"),
    *(" ", "  ", "\t", "\n", "\r\n", "\x0b", "\x1c", "\x85", "\u3000", "\u2028", "\ufeff", "\x00"),
    *("\x7f", "\ue000", "\U0010ffff", "_", "~", "`", "@#$%^", "C++", "e-mail", "http://a.b/c?d=e"),
]  # fmt: skip


@pytest.fixture(scope="module")
def own() -> Any:
    return open_clip.get_tokenizer("ViT-B-32")


def made_up(n: int) -> list[str]:
    draws = np.random.default_rng(0)
    joins = draws.choice(["", " "], (n, 1), p=[0.4, 0.6])[:, 0]
    return [
        join.join(draws.choice(PARTS, draws.integers(0, 30 if k % 20 else 200)))
        for k, join in enumerate(joins.tolist())
    ]


def test_thousands_of_odd_texts(own: Any) -> None:
    texts = made_up(4_000)
    assert np.array_equal(ClipTokens(own)(texts), own(texts).numpy())


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=20))
def test_any_text(texts: list[str]) -> None:
    tokenizer: Any = open_clip.get_tokenizer("ViT-B-32")
    assert np.array_equal(ClipTokens(tokenizer)(texts), tokenizer(texts).numpy())


def test_every_code_point_inside_a_word_and_behind_an_apostrophe(own: Any) -> None:
    draws = np.random.default_rng(1)
    codes = [*range(0x3000), *draws.integers(0x3000, 0x110000, 3_000).tolist()]
    texts = [f"a{chr(c)}b '{chr(c)}" for c in codes if not 0xD800 <= c < 0xE000]
    assert np.array_equal(ClipTokens(own)(texts), own(texts).numpy())


def test_texts_of_about_77_ids_end_where_open_clip_ends_them(own: Any) -> None:
    texts = ["a " * n + last for n in range(70, 80) for last in ("", "dogs", "zyxwvuq", "&", "é")]
    assert np.array_equal(ClipTokens(own)(texts), own(texts).numpy())
    assert ClipTokens(own)([]).shape == (0, 77)


def test_a_full_table_begins_anew(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_tokens, "MOST_WORDS", 300)
    monkeypatch.setattr(clip_tokens, "_CHUNK", 4)
    tokens = ClipTokens(own)
    draws = np.random.default_rng(2)
    texts = ["".join(draws.choice(list("abcdefg '"), 60)) for _ in range(300)]
    assert np.array_equal(tokens(texts), own(texts).numpy())
    assert len(tokens._words) <= 300


def test_words_are_told_apart_by_their_letters() -> None:
    words = {f"w{k}".encode(): [k, k + 1] for k in range(5_000)}
    table = bpe_words.with_words(bpe_words.empty_word_table(), words)
    table = bpe_words.with_words(table, {b"last": [7]})
    assert len(table.slots) >= 2 * 5_001
    for word in (0, 77, 4_999):
        assert (
            table.letters[table.starts[word] : table.starts[word + 1]].tobytes()
            == f"w{word}".encode()
        )
    assert sorted(table.slots[table.slots >= 0].tolist()) == list(range(5_001))


def test_other_tokenisers_keep_their_own_way() -> None:
    assert encodes_words_apart(open_clip.get_tokenizer("ViT-B-32"))
    for settings_ in ({"clean": "whitespace"}, {"reduction_mask": "simple"},
                      {"additional_special_tokens": ["<x>"]}):  # fmt: skip
        assert not encodes_words_apart(open_clip.tokenizer.SimpleTokenizer(**settings_))
