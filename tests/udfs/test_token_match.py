"""The kernel against the plain definition: " entry " in the spaced and padded caption."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from udfs.text.token_match import match_captions
from udfs.text.token_trie import build_token_trie

# Few letters, so that entries really occur; marks, breaks, and what only looks like them.
PIECES = [
    *"aab  ,.;:?!`\t\n\r\"'-_()#",
    "cat",
    "dog",
    "é",
    "猫",
    "\u00a0",
    "\u2028",
    "\x00",
    "\u200b",
    "🐈",
    "new york",
    "  ",
]


def spaced(caption: str) -> str:
    for mark in ",.;:?!`":
        caption = caption.replace(mark, f" {mark} ")
    for break_ in "\t\n\r":
        caption = caption.replace(break_, " ")
    return caption


def matched_plainly(caption: str, entries: list[str]) -> list[int]:
    padded = f" {spaced(caption)} "
    return [i for i, entry in enumerate(entries) if f" {entry} " in padded]


def generated(rng: np.random.Generator, n: int, most_pieces: int) -> list[str]:
    lengths = rng.integers(0, most_pieces + 1, n)
    return ["".join(PIECES[k] for k in rng.integers(0, len(PIECES), m)) for m in lengths]


def match(captions: list[str | None], entries: list[str], **how: str) -> list[list[int]]:
    trie = build_token_trie(pa.array(entries, pa.string()), **how)
    return match_captions(pa.array(captions, pa.string()), trie).to_pylist()


@pytest.mark.parametrize(("seed", "most_pieces"), [(0, 14), (1, 14), (2, 14), (3, 60), (4, 200)])
def test_equals_the_plain_definition_on_generated_captions(seed: int, most_pieces: int) -> None:
    rng = np.random.default_rng(seed)
    captions, entries = generated(rng, 2_000, most_pieces), generated(rng, 150, 4)
    expected = [matched_plainly(caption, entries) for caption in captions]
    assert sum(map(len, expected)) > 1_000  # the test has something to find
    assert match(captions, entries) == expected


def test_finds_entries_cut_out_of_the_captions_themselves() -> None:
    rng = np.random.default_rng(9)
    captions = generated(rng, 500, 20)
    cuts = [spaced(c)[i : i + 6] for c in captions for i in rng.integers(0, 20, 2)]
    assert match(captions, cuts) == [matched_plainly(c, cuts) for c in captions]


@pytest.mark.parametrize("length", [7, 8, 9, 15, 16, 17, 23, 24, 25, 63, 64, 65, 200])
def test_long_tokens_are_told_apart_by_every_byte(length: int) -> None:
    words = ["a" * k + "b" + "a" * (length - k - 1) for k in range(length)]
    words += ["a" * length, "a" * (length - 1), "a" * (length + 1)]
    entries = [*words, *(f"{word} end" for word in words)]
    captions = [*words[::2], *(f"x {word} end." for word in words), "a" * (length + 2)]
    expected = [matched_plainly(caption, entries) for caption in captions]
    assert match(captions, entries) == expected
    assert match([f"{length * 'z'}{caption}" for caption in captions], entries) == [
        matched_plainly(f"{length * 'z'}{caption}", entries) for caption in captions
    ]


@pytest.mark.parametrize("length", [*range(60, 70), 127, 128, 129, 8_191, 8_192, 8_193])
def test_a_caption_that_ends_at_any_byte_of_a_vector(length: int) -> None:
    captions = [("cat " * length)[: length - 1] + end for end in ("a", ",", " ", "t")] * 40
    entries = ["cat", "cat cat", "ca", "c", "t", "", ",", "cat c", "cata", "cat ,", "at"]
    expected = [matched_plainly(caption, entries) for caption in captions[:4]]
    assert match(captions, entries) == expected * 40


def test_many_equal_entries_are_all_given_however_often() -> None:
    entries = ["cat", "dog cat", "dog", "cat ,"] * 300
    captions = ["a dog cat, cat dog", "cat", "none", "dog cat,"] * 50
    expected = [matched_plainly(caption, entries) for caption in captions[:4]]
    assert match(captions, entries) == expected * 50
    last = [[i for i in found if i >= 4 * 299] for found in expected]
    assert match(captions, entries, duplicates="last") == last * 50


def test_a_large_bank_of_pairs_and_triples() -> None:
    rng = np.random.default_rng(5)
    words = [f"{'w' * int(n)}{i}" for i, n in enumerate(rng.integers(1, 30, 300))]
    entries = [" ".join(words[k] for k in row) for row in rng.integers(0, 300, (30_000, 2))]
    entries += [" ".join(words[k] for k in row) for row in rng.integers(0, 300, (30_000, 3))]
    ids_of: dict[str, list[int]] = {}
    for i, entry in enumerate(entries):
        ids_of.setdefault(entry, []).append(i)
    rows = [[words[k] for k in row] for row in rng.integers(0, 300, (3_000, 12))]
    expected = [
        sorted(
            {i for n in (2, 3) for k in range(12) for i in ids_of.get(" ".join(r[k : k + n]), ())}
        )
        for r in rows
    ]
    assert sum(map(len, expected)) > 10_000
    assert match([" ".join(row) for row in rows], entries) == expected


def test_agrees_with_the_published_plain_matcher(cases: Path) -> None:
    entries, captions, expected = published(cases)
    assert match(captions, entries) == expected["entry_ids"].to_pylist()


def test_agrees_with_the_published_automaton_on_duplicates(cases: Path) -> None:
    entries, captions, expected = published(cases)
    found = match(captions, entries, duplicates="last")
    assert found == expected["entry_ids_automaton"].to_pylist()


def test_agrees_with_synthclip_on_its_cleaned_captions(cases: Path) -> None:
    entries, _, _ = published(cases)
    rows = pq.read_table(cases / "metaclip_match/expected_synthclip.parquet").to_pylist()
    kept = [row for row in rows if not row["dropped"]]
    assert match([row["clean_text"] for row in kept], entries) == [r["entry_ids"] for r in kept]


def published(cases: Path) -> tuple[list[str], list[str], pa.Table]:
    folder = cases / "metaclip_match"
    captions = pq.read_table(folder / "input_captions.parquet")["caption"].to_pylist()
    expected = pq.read_table(folder / "expected_metaclip1.parquet")
    return json.loads((folder / "entries.json").read_text()), captions, expected


def test_agrees_on_real_captions(cases: Path) -> None:
    folder = cases / "laion_real"
    entries = json.loads((folder / "entries.json").read_text())
    captions = pq.read_table(folder / "input.parquet")["TEXT"].to_pylist()
    expected = pq.read_table(folder / "expected_metaclip.parquet")["entry_ids"].to_pylist()
    assert match(captions, entries) == expected


def test_null_caption_matches_nothing_not_even_the_empty_entry() -> None:
    assert match([None, "", "a"], ["", "a"]) == [[], [0], [1]]


def test_reads_a_slice_of_a_longer_array() -> None:
    trie = build_token_trie(pa.array(["cat", "dog"]))
    captions = pa.array(["cat", "a dog", "cat dog", "none"])
    assert match_captions(captions.slice(1, 2), trie).to_pylist() == [[1], [0, 1]]


def test_a_null_may_have_bytes_of_its_own() -> None:
    offsets, text = pa.array([0, 3, 6], pa.int32()).buffers()[1], pa.py_buffer(b"catdog")
    captions = pa.StringArray.from_buffers(2, offsets, text, pa.py_buffer(bytes([0b10])))
    assert captions.to_pylist() == [None, "dog"]
    assert match_captions(captions, build_token_trie(pa.array(["cat", "dog"]))).to_pylist() == [
        [],
        [1],
    ]


def test_reads_large_strings() -> None:
    trie = build_token_trie(pa.array(["cat"]))
    assert match_captions(pa.array(["a cat"], pa.large_string()), trie).to_pylist() == [[0]]


def test_empty_batch_and_empty_bank_give_no_matches() -> None:
    assert match([], ["cat"]) == []
    assert match(["a cat"], []) == [[]]


def test_a_megabyte_caption_gives_each_entry_once_in_order() -> None:
    entries = ["dog", "cat", "cat dog", "none"]
    assert match(["cat dog " * 131_072], entries) == [[0, 1, 2]]


def test_many_matches_of_one_caption_are_ascending() -> None:
    words = [f"w{i}" for i in range(500)]
    assert match([" ".join(reversed(words))], words) == [list(range(500))]
