"""Concept banks: ids, faults, sources."""

import itertools
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from spark_jobs.concepts.bank import concept_bank
from spark_jobs.concepts.faults import entry_faults, never_matches
from spark_jobs.concepts.sources import imagenet, json_lines, lines, metaclip_json
from spark_jobs.concepts.synsets import imagenet_synsets
from spark_jobs.core.errors import InputDataError
from udfs.text.metaclip2_match import padded_entry

ALPHABET = ["a", " ", ",", ".", "\t"]


def spaced_and_padded(caption: str) -> str:
    for mark in ",.;:?!`":
        caption = caption.replace(mark, f" {mark} ")
    for break_ in "\t\n\r":
        caption = caption.replace(break_, " ")
    return f" {caption} "


def witness(entry: str) -> str:
    """A caption that holds the entry, if any does: its marks without the spaces they get."""
    text = entry
    for mark in ",.;:?!`":
        text = text.replace(f" {mark}", mark).replace(f"{mark} ", mark)
    return text


def test_an_entry_never_matches_just_when_no_caption_holds_it() -> None:
    captions = ["".join(c) for n in range(7) for c in itertools.product("a ,.", repeat=n)]
    padded = "\n".join(spaced_and_padded(caption) for caption in captions)
    for n in range(1, 5):
        for letters in itertools.product(ALPHABET, repeat=n):
            entry = "".join(letters)
            is_found = f" {entry} " in padded
            assert never_matches(f" {entry} ") == (not is_found), repr(entry)
            half = entry in padded
            assert never_matches(entry) == (not half), repr(entry)


def test_a_longer_entry_that_can_match_has_a_witness() -> None:
    rng = np.random.default_rng(1)
    pieces = ["cat", "a", " ", " ", ",", ".", " , ", "é"]
    entries = ["".join(rng.choice(pieces, 8)) for _ in range(3_000)]
    alive = [entry for entry in entries if not never_matches(f" {entry} ")]
    assert len(alive) > 200
    of_faults = {
        entry for entry, fault in zip(entries, entry_faults(entries), strict=True) if not fault
    }
    assert of_faults == {*alive}
    for entry in alive:
        found = f" {entry} " in spaced_and_padded(witness(entry))
        assert found, repr(entry)


def test_faults_are_named_and_the_first_of_equal_entries_has_none() -> None:
    entries = ["cat", "cat", "", "", "St. Bernard", "St. Bernard", "St .  Bernard", "a\tb", ","]
    assert entry_faults(entries) == [
        None,
        "duplicate",
        "empty",
        "duplicate",
        "never_matches",
        "duplicate",
        None,
        "never_matches",
        None,
    ]


def test_parity_keeps_every_entry_at_its_position() -> None:
    bank, left_out = concept_bank([metaclip_json('["cat", "", "cat", "dog"]', "b")], parity=True)
    assert bank["entry"].to_pylist() == ["cat", "", "cat", "dog"]
    assert bank["entry_id"].to_pylist() == [0, 1, 2, 3]
    assert bank["fault"].to_pylist() == [None, "empty", "duplicate", None]
    assert left_out.num_rows == 0


def test_without_parity_faulty_entries_leave_and_ids_close_up() -> None:
    sources = [metaclip_json('["cat", "", "u.s."]', "b"), lines("dog\ncat\n", "l")]
    bank, left_out = concept_bank(sources, parity=False)
    assert bank["entry"].to_pylist() == ["cat", "dog"]
    assert bank["entry_id"].to_pylist() == [0, 1]
    assert bank["source"].to_pylist() == ["b", "l"]
    found = dict(zip(left_out["entry_id"].to_pylist(), left_out["fault"].to_pylist(), strict=True))
    assert found == {1: "empty", 2: "never_matches", 4: "duplicate"}


def test_a_bank_of_faulty_entries_alone_is_an_error() -> None:
    with pytest.raises(InputDataError, match="no entry of 2 is left"):
        concept_bank([metaclip_json('["", "u.s."]', "b")], parity=False)


def test_lines_end_with_lf_or_crlf_and_blank_ones_count() -> None:
    assert lines("cat\r\n\ndog \n", "l")["entry"].to_pylist() == ["cat", "", "dog "]


def test_json_lines_hold_strings_or_objects() -> None:
    table = json_lines('"cat"\r\n\n{"entry": "chat", "lang": "fr", "n": 1}\n', "b.jsonl")
    assert table["entry"].to_pylist() == ["cat", "chat"]
    assert table["lang"].to_pylist() == [None, "fr"]
    for line, message in (("3", "found 3"), ('{"entry": 3}', "found"), ("cat", "is no JSON")):
        with pytest.raises(InputDataError, match=f"b.jsonl, line 2: .*{message}"):
            json_lines(f'"cat"\n{line}\n', "b.jsonl")


def test_json_that_nests_without_end_is_an_error() -> None:
    deep = "[" * 100_000
    with pytest.raises(InputDataError, match=r"^bank metadata\.json: is no JSON"):
        metaclip_json(deep, "metadata.json")
    with pytest.raises(InputDataError, match=r"^bank b\.jsonl, line 2: is no JSON"):
        json_lines(f'"cat"\n{deep}', "b.jsonl")


def test_a_lone_surrogate_in_metadata_is_an_error() -> None:
    with pytest.raises(InputDataError, match="element 1 holds a lone surrogate"):
        metaclip_json(r'["cat", "\ud800"]', "metadata.json")


def test_lemmas_of_imagenet22k_are_those_of_the_published_run(cases: Path) -> None:
    published = json.loads((cases / "laion_real/entries.json").read_text())
    table = imagenet("imagenet22k")
    distinct = list(dict.fromkeys(table["entry"].to_pylist()))
    assert distinct == published
    bank, _ = concept_bank([table], parity=False)
    assert bank["entry"].to_pylist() == [e for e in published if not never_matches(f" {e} ")]


def test_imagenet1k_has_its_classes_in_order_with_lemmas_and_glosses() -> None:
    synsets = imagenet_synsets("imagenet1k")
    assert len(synsets) == 1000
    assert [s.class_idx for s in synsets] == list(range(1000))
    assert (synsets[0].wnid, synsets[0].lemmas) == ("n01440764", ("tench", "Tinca tinca"))
    cranes = [s.gloss[:4] for s in synsets if "crane" in s.lemmas]
    assert len(cranes) == 2  # the bird and the machine
    table = imagenet("imagenet1k")
    assert table.schema.field("class_idx").type == pa.int32()
    assert table.num_rows == sum(len(s.lemmas) for s in synsets)


def test_languages_have_duplicates_and_dead_entries_of_their_own() -> None:
    table = metaclip_json(json.dumps({"en": ["pie", "St."], "fr": ["pie", "pie"]}), "m.json")
    bank, _ = concept_bank([table], parity=True)
    assert bank["fault"].to_pylist() == [None, "never_matches", None, "duplicate"]
    entries = ["C++", ".net", "cat!", "! ?", "猫"]
    faults = entry_faults(entries, ["en"] * 5, pad=padded_entry)
    assert faults == [None, "never_matches", "never_matches", "never_matches", None]
