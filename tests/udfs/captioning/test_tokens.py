"""Tokens of captions: those of pycocoevalcap, of sacrebleu, and words between white space."""

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from udfs.captioning.token_rules import penn_tokens
from udfs.captioning.tokens import Tokeniser
from udfs.captioning.words import split_words

captions = st.lists(
    st.text(st.sampled_from("ab .,'-&;\n\u2028\xa0\x1fé🐺1/"), max_size=30), max_size=8
)


def test_tokens_are_stanfords_on_every_caption_of_the_case(cases: Path) -> None:
    rows = pq.read_table(cases / "caption_metrics/expected_tokens.parquet")
    texts = Tokeniser("ptb").texts(rows["caption"].combine_chunks())
    assert texts == rows["ptb"].to_pylist()


def test_a_line_break_shifts_no_later_caption(cases: Path) -> None:
    """pycocoevalcap takes a return for the end of a caption, and gives each later one another's."""
    texts = pa.array(["first one", "a\rb", "c\u2028d", "third one"])
    assert Tokeniser("ptb").texts(texts) == ["first one", "a b", "c d", "third one"]


# What Stanford's tokenizer 3.4.1 writes, in lower case and without pycocoevalcap's marks.
@pytest.mark.parametrize(
    ("caption", "tokens"),
    [
        ("a man's hat, isn't it? cannot gonna", "a man 's hat is n't it can not gon na"),
        ("Mr. Smith etc. in the U.S. No. 5, no. cat", "mr. smith etc. in the u.s. no. 5 no cat"),
        ("3.5kg 10% $5 10-20 #1 2x4 50mm 10:30am", "3.5 kg 10 % $ 5 10-20 # 1 2x4 50mm 10:30 am"),
        ("&amp; &lt; &quot;x&quot; &#39;", "& < x &#39;"),
        (
            "“quoted” ‘single’ it’s — dash … (a) [b]",
            "quoted single it 's dash -lrb- a -rrb- -lsb- b -rsb-",
        ),
        ("AT&T and/or x-ray foo_bar a+b 90's '90s", "at&t and/or x-ray foo_bar a + b 90 's '90s"),
        ("see www.foo.com, photo.jpg x@y", "see www.foo.com photo.jpg x@y"),
        ("<br /> <b>bold</b>", "<br /> <b> bold </b>"),
        ("½ cup €5 25°C :) a b.", "1/2 cup $ 5 25 ° c :-rrb- a b."),
    ],
)
def test_tokens_of_penn_treebank(caption: str, tokens: str) -> None:
    assert Tokeniser("ptb").texts(pa.array([caption])) == [tokens]


@pytest.mark.parametrize(
    ("caption", "tokens"),
    [
        ("A dog, 1,000 dogs. 3-4 x-ray", "A dog , 1,000 dogs . 3 - 4 x-ray"),
        ("&quot;a&quot; (b) it's $5", '" a " ( b ) it\'s $ 5'),
        # What sacrebleu's default tokenizer takes out whatever stands around it.
        ("a-\nb c-\n", "ab c-"),
        ("<skip<skipped>ped> &am<skipped>p;lt; a<skipped>b", "< skipped > < ab"),
    ],
)
def test_tokens_of_mteval(caption: str, tokens: str) -> None:
    assert Tokeniser("13a").texts(pa.array([caption, None])) == [tokens, ""]


@pytest.mark.parametrize("unit", ["1a.", "._", "a.", "a@", "1.", "ab/", "x-", "a.com/"])
def test_a_long_word_takes_time_in_proportion_to_its_length(unit: str) -> None:
    start_s = time.process_time()
    penn_tokens(unit * (100_000 // len(unit)))
    assert time.process_time() - start_s < 5  # a minute or more where each part is read to the end


def test_an_address_is_one_token_up_to_its_published_lengths() -> None:
    local, labels = "a" * 64, ".".join(["b1" * 31] * 4)
    assert penn_tokens(f"{local}@{labels}.com") == [f"{local}@{labels}.com"]
    assert penn_tokens(f"www.{labels}.com/a?b=1") == [f"www.{labels}.com/a?b=1"]


@settings(max_examples=60, deadline=None)
@given(captions)
def test_words_are_those_of_str_split(texts: list[str]) -> None:
    words = split_words(pa.array([*texts, None], pa.string()))
    assert [words.word(k) for k in range(len(words.hashes))] == [
        w for t in texts for w in t.split()
    ]
    assert np.diff(words.offsets).tolist() == [len(text.split()) for text in [*texts, ""]]


@settings(max_examples=60, deadline=None)
@given(captions, st.sampled_from(["ptb", "13a", "none"]))
def test_hashes_are_those_of_the_tokens_whatever_came_before(texts: list[str], rule: str) -> None:
    tokeniser = Tokeniser(rule)
    for part in (texts, texts[::-1]):  # the second time most words are known
        array = pa.array(part, pa.string())
        expected = split_words(pa.array(tokeniser.texts(array), pa.string()))
        tokens = tokeniser.tokens(array)
        assert tokens.offsets.tolist() == expected.offsets.tolist()
        assert tokens.hashes.tolist() == expected.hashes.tolist()


def test_the_memory_of_words_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("udfs.captioning.tokens._PIECE", 64)
    monkeypatch.setattr("udfs.captioning.tokens._MOST_KNOWN", 2000)
    tokeniser = Tokeniser("13a")
    for part in range(12):  # of which each repeats half of the words of the one before
        array = pa.array([f"w{k} (x{k % 7}.)" for k in range(150 * part, 150 * part + 300)])
        expected = split_words(pa.array(tokeniser.texts(array)))
        assert tokeniser.tokens(array).hashes.tolist() == expected.hashes.tolist()


def test_words_of_any_length_have_hashes_of_their_own() -> None:
    texts = ["a" * n + last for n in range(70) for last in ("", "b", "\0")]
    words = split_words(pa.array([text for text in texts if text]))
    assert len(set(words.hashes.tolist())) == len({text for text in texts if text})
