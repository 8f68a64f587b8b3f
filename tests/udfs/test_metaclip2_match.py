"""MetaCLIP 2's rule against its plain definition and the published results."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from udfs.text.metaclip2_match import match_substrings, needs_no_padding, padded_entry
from udfs.text.substring_trie import build_substring_trie

ENTRIES = [
    *(
        "猫",
        "红色汽车",
        "夜景",
        "汽",
        "cat",
        "new york",
        "C++",
        "#1",
        "(cat)",
        ".net",
        "แมว",
        "ねこ",
    ),
    *("고양이", "Łódź", "—", "cat", "猫 cat", "a", "，", " ", "tab\tin", "é", "😀", "ー", "々"),
]
PIECES = [
    *ENTRIES,
    *(" ", "  ", "\t", "\n", "\u00a0", "\u3000", "\u2028", "\x1c", ",", ".", "!", "`", "。", "x"),
    *("cats", "new  york", "C++11", "\U00020001", "\x00", "𝔘", ""),
]


def plain(entry: str, caption: str, *, is_stripped: bool, is_mended: bool) -> bool:
    """The padded entry is a substring of the caption, padded, spaced by MetaCLIP's marks."""
    text = f" {caption.strip() if is_stripped else caption} "
    for mark in ",.;:?!`":
        text = text.replace(mark, f" {mark} ")
    for blank in "\t\n\r":
        text = text.replace(blank, " ")
    return bool(entry) and padded_entry(entry, is_mended=is_mended) in text


@pytest.mark.parametrize("is_stripped", [True, False])
@pytest.mark.parametrize("is_mended", [True, False])
def test_ten_thousand_captions_match_as_by_the_plain_definition(
    is_stripped: bool, is_mended: bool
) -> None:
    draws = np.random.default_rng(is_mended)
    drawn = (draws.integers(0, len(PIECES), size) for size in draws.integers(0, 9, 10_000))
    captions: list[str | None] = ["".join(PIECES[k] for k in row) for row in drawn]
    captions[::99] = [None] * len(captions[::99])
    padded = [padded_entry(entry, is_mended=is_mended) for entry in [*ENTRIES, ""]]
    trie = build_substring_trie(pa.array(padded))
    found = match_substrings(pa.array(captions), trie, is_stripped=is_stripped).to_pylist()
    assert found == [
        []
        if text is None
        else [
            k
            for k, entry in enumerate(ENTRIES)
            if plain(entry, text, is_stripped=is_stripped, is_mended=is_mended)
        ]
        for text in captions
    ]
    assert len({k for ids in found for k in ids}) > len(ENTRIES) - 4


def test_a_large_bank_grows_and_keeps_duplicates() -> None:
    draws = np.random.default_rng(0)
    words = [
        "".join(chr(0x4E00 + c) for c in draws.integers(0, 60, n % 4 + 1)) for n in range(20_000)
    ]
    captions = ["".join(draws.choice(words, 5)) for _ in range(300)]
    first = {word: [] for word in words}
    for k, word in enumerate(words):
        first[word].append(k)
    inside = [{c[i:j] for i in range(len(c)) for j in range(i + 1, i + 5)} for c in captions]
    every = [sorted(k for text in of for k in first.get(text, [])) for of in inside]
    trie = build_substring_trie(pa.array(words))
    assert match_substrings(pa.array(captions), trie).to_pylist() == every
    last = build_substring_trie(pa.array(words), duplicates="last")
    only = [sorted(first[text][-1] for text in of if text in first) for of in inside]
    assert match_substrings(pa.array(captions), last).to_pylist() == only


def test_nothing_in_nothing_out() -> None:
    trie = build_substring_trie(pa.array([], pa.string()))
    assert match_substrings(pa.array(["a", None]), trie).to_pylist() == [[], []]
    trie = build_substring_trie(pa.array(["", " a "]))
    assert match_substrings(pa.array([], pa.string()), trie).to_pylist() == []
    assert match_substrings(pa.array(["x", " a"]).slice(1), trie).to_pylist() == [[1]]


class TestPublished:
    def test_padding(self, cases: Path) -> None:
        rows = pq.read_table(cases / "metaclip2_cjk/expected_padding.parquet").to_pylist()
        assert [padded_entry(row["entry"]) for row in rows] == [row["padded"] for row in rows]
        probes = json.loads((cases / "metaclip2_cjk/expected_char_class.json").read_text())
        table = needs_no_padding()
        for probe in probes:
            assert table[int(probe["code_point"][2:], 16)] == probe["no_padding"], probe

    @pytest.mark.parametrize(
        ("column", "duplicates", "is_stripped"),
        [
            ("entry_ids_reference", "last", False),
            ("entry_ids_reference_after_strip", "last", True),
            ("entry_ids_all_duplicates", "all", False),
        ],
    )
    def test_matches(self, cases: Path, column: str, duplicates, is_stripped: bool) -> None:
        folder = cases / "metaclip2_cjk"
        captions = pq.read_table(folder / "input_captions.parquet").to_pylist()
        entries = pq.read_table(folder / "input_entries.parquet").to_pylist()
        expected = {
            row["caption_id"]: row[column]
            for row in pq.read_table(folder / "expected_matches.parquet").to_pylist()
        }
        for lang in dict.fromkeys(row["lang"] for row in captions):
            bank = sorted((r["entry_id"], r["entry"]) for r in entries if r["lang"] == lang)
            padded = pa.array([padded_entry(entry) for _, entry in bank])
            trie = build_substring_trie(padded, duplicates=duplicates)
            rows = [row for row in captions if row["lang"] == lang]
            texts = pa.array([row["caption"] for row in rows], pa.string())
            found = match_substrings(texts, trie, is_stripped=is_stripped).to_pylist()
            ids = [[bank[k][0] for k in of] for of in found]
            assert ids == [sorted(expected[row["caption_id"]]) for row in rows]
