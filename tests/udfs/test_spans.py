"""Where entries stand in captions, against all occurrences in the spaced and padded caption."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from udfs.text.matchers import ConceptMatcher, MetaclipMatcher, metaclip2_matcher
from udfs.text.metaclip2_match import padded_entry
from udfs.text.spans import span_lists
from udfs.text.token_trie import build_token_trie

PIECES = [
    *("a", "b", "ab", " ", " ", "  ", ",", ".", "!", "\t", "\n", "\r\n", "\u00a0", "\u3000", "é"),
    *(
        "猫",
        "红色汽车",
        "cat",
        "new york",
        "C++",
        "#1",
        "(cat)",
        "แมว",
        "ねこ",
        "😀",
        "，",
        "—",
        "`",
    ),
    *("\u2028", "\x00", "ā", "a b a", "St. B"),
]
ENTRIES = [
    *("a", "b", "a b", "b a", "a b a", "ab", "a ,", ",", "a ,  b", ", ", " ", "", "é", "\u00a0"),
    *("猫", "车", "色汽", "cat", "new york", "C++", "#1", "(cat)", "(", "แมว", "ねこ", "😀", "，"),
    *("—", "a", "猫 cat", "cat 猫", "new", ".net", "`", "a\tb", "a  b", "+ ", "#"),
]

Span = tuple[int, int, int]


def made_up(n: int, seed: int) -> list[str | None]:
    draws = np.random.default_rng(seed)
    sizes = draws.integers(0, 11, n)
    texts: list[str | None] = [
        "".join(PIECES[k] for k in draws.integers(0, len(PIECES), size)) for size in sizes
    ]
    texts[::97] = [None] * len(texts[::97])
    return texts


def occurrences(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def plain(caption: str | None, padded: list[str], entries: list[str], skipped: int) -> list[Span]:
    """Spaced with, for each character, how many of the caption's came before it."""
    if caption is None:
        return []
    text, before = " ", [skipped]
    for n, letter in enumerate(caption, start=skipped):
        if letter in ",.;:?!`":
            text += f" {letter} "
            before += [n, n, n + 1]
        else:
            text += " " if letter in "\t\n\r" else letter
            before += [n]
    text, before = text + " ", before + [skipped + len(caption)] * 2
    found = []
    for entry_id, (entry, inside) in enumerate(zip(entries, padded, strict=True)):
        if not inside:
            continue
        lead = 1 if inside in (f" {entry} ", f" {entry}") else 0
        for at in occurrences(text, inside):
            start = at + lead
            found.append((before[start], before[start + len(entry)], entry_id))
    return sorted(found)


def spans(matcher: ConceptMatcher, columns: list[pa.Array]) -> list[list[Span]]:
    lists = span_lists(matcher.spans(columns), len(columns[0]))
    return [[(s["start"], s["end"], s["entry_id"]) for s in of] for of in lists.to_pylist()]


def same_ids(matcher: ConceptMatcher, columns: list[pa.Array], found: list[list[Span]]) -> bool:
    return matcher.match(columns).to_pylist() == [sorted({s[2] for s in of}) for of in found]


def test_metaclip_on_ten_thousand_captions() -> None:
    captions = made_up(10_000, 0)
    matcher = MetaclipMatcher(build_token_trie(pa.array(ENTRIES)))
    columns = [pa.array(captions, pa.string())]
    found = spans(matcher, columns)
    padded = [f" {entry} " for entry in ENTRIES]
    assert found == [plain(caption, padded, ENTRIES, 0) for caption in captions]
    assert same_ids(matcher, columns, found)
    assert len({s[2] for of in found for s in of}) > 25


def test_the_text_of_a_span_is_the_entry() -> None:
    caption = "A red car; 😀 the red, red car."
    entries = ["red", "red car", "car", "the red"]
    matcher = MetaclipMatcher(build_token_trie(pa.array(entries)))
    [found] = spans(matcher, [pa.array([caption])])
    assert [(caption[start:end], k) for start, end, k in found] == [
        ("red", 0), ("red car", 1), ("car", 2), ("the red", 3), ("red", 0), ("red", 0),
        ("red car", 1), ("car", 2),
    ]  # fmt: skip


@pytest.mark.parametrize("is_mended", [True, False])
def test_metaclip2_on_ten_thousand_captions(is_mended: bool) -> None:
    captions = made_up(10_000, 1 + is_mended)
    langs = [("en", "zh", "de", None)[k % 4] for k in range(len(captions))]
    of_bank = [*((e, "en") for e in ENTRIES), *((e, "zh") for e in ENTRIES)]
    matcher = metaclip2_matcher(
        [e for e, _ in of_bank], [lang for _, lang in of_bank], is_mended=is_mended
    )
    columns = [pa.array(captions, pa.string()), pa.array(langs, pa.string())]
    found = spans(matcher, columns)
    padded = [padded_entry(entry, is_mended=is_mended) for entry in ENTRIES]
    expected = []
    for caption, lang in zip(captions, langs, strict=True):
        known = lang in ("en", "zh") and caption is not None
        stripped = caption.strip() if known else None
        skipped = len(caption) - len(caption.lstrip()) if known else 0
        first = len(ENTRIES) if lang == "zh" else 0
        rows = plain(stripped, padded, ENTRIES, skipped)
        expected.append([(start, end, first + k) for start, end, k in rows])
    assert found == expected
    assert same_ids(matcher, columns, found)
    assert len({s[2] for of in found for s in of}) > 50


def test_a_caption_of_more_spans_than_there_is_room_for() -> None:
    for caption in ("a " * 5_000, "猫" * 5_000):
        one = MetaclipMatcher(build_token_trie(pa.array(["a", "a", "a a"])))
        two = metaclip2_matcher(["猫", "猫", "猫猫"], ["zh"] * 3)
        columns = [pa.array(["x", caption, "x"]), pa.array(["zh"] * 3)]
        matcher = one if caption[0] == "a" else two
        assert [len(of) for of in spans(matcher, columns)] == [0, 14_999, 0]
