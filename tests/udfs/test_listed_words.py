"""Texts with a listed word are those that Python's split and lower find one in."""

import random

import pyarrow as pa

from udfs.text.listed_words import has_listed_word, listed_words

WORDS = ["dog", "hot_dog", "kelvin", "a", "x" * 40, "don't", "stra\xdfe", "\x00b", "dogs", "od"]
SPACES = [" ", "  ", "\t", "\n", "\x0b", "\x0c", "\r", "\x1c", "\x1f", "\x85", "\xa0", "\u2003"]
PARTS = [
    *(*WORDS, "DOG", "Dog", "do", "god", "dog.", "x" * 39, "X" * 40, "A", "B", "\x00B", "\x00"),
    *("\u212aelvin", "STRA\xdfE", "d\xf6g", "\x7f", "@", "[", "`", "{", "\U0001f415"),
]


def has_word(text: str | None, words: set[str]) -> bool:
    return text is not None and any(word.lower() in words for word in text.split())


def test_texts_with_a_listed_word_are_those_that_python_finds() -> None:
    generator = random.Random(0)
    texts: list[str | None] = ["", None, " ", "dog", " dog", "dog ", "dogdog", "hot dog"]
    for _ in range(20_000):
        separators = SPACES if generator.random() < 0.2 else SPACES[:4]
        n = generator.randint(0, 5)
        parts = [generator.choice(PARTS) + generator.choice(separators) for _ in range(n)]
        texts.append(
            generator.choice(["", " ", None])
            if not n
            else "".join(parts)[generator.randint(0, 1) :]
        )
    for listed in (WORDS, WORDS[4:6], []):
        words = listed_words(listed)
        expected = [has_word(text, set(listed)) for text in texts]
        assert 0 <= sum(expected) < len(texts)
        assert has_listed_word(pa.array(texts), words).to_pylist() == expected
        part = pa.array(texts).slice(7, 5000)
        assert has_listed_word(part, words).to_pylist() == expected[7:5007]
    below_null = pa.Array.from_buffers(
        pa.string(), 2, [pa.py_buffer(b"\x02"), *pa.array(["dog", "dog"]).buffers()[1:]]
    )
    assert has_listed_word(below_null, listed_words(WORDS)).to_pylist() == [False, True]


def test_words_of_one_slot_are_told_apart() -> None:
    """Thousands of words, each alone in a text, and as many that are not listed."""
    words = listed_words([f"w{k}" for k in range(0, 6000, 2)])
    texts = pa.array([f"W{k}" for k in range(6000)])
    assert has_listed_word(texts, words).to_pylist() == [True, False] * 3000
