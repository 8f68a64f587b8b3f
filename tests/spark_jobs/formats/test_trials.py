"""Inputs made after public bug reports: what each must give."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spark_jobs.core.errors import InputDataError

Take = Callable[..., Any]


def columns(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row[name] for name in names) for row in rows)


@pytest.mark.parametrize(
    ("trial", "captions"),
    [
        ("bom-json-list", ["a fox", "an owl"]),
        ("brackets-in-name", ["a fox", "an owl"]),
        ("csv-crlf-in-quotes", ["one\r\ntwo", "plain"]),
        ("json-gz-list", ["a fox", "an owl"]),
        ("nested-folder-jsonl", [f"cap {i} {j}" for i in range(3) for j in range(5)]),
        ("nested-key-with-space", ["a fox", "an owl"]),
        ("null-typed-column", ["a", "b", "c", "d"]),
        ("timestamp-ns", ["a red fox", "old bridge"]),
        (
            "two-objects-on-a-line",
            ["a kite over a beach", "a red fox in snow", "old bridge", "two owls"],
        ),
        ("brotli", sorted(f"cap {k}" for k in range(500))),
    ],
)
def test_every_row_of_a_trial_is_taken(take: Take, cases: Path, trial: str, captions: list[str]):
    taken = take(cases / "trials" / trial / "input")
    assert taken.captions == captions
    assert not taken.reasons


def test_a_name_with_brackets_is_no_glob(take: Take, cases: Path):
    taken = take(cases / "trials/brackets-in-name/input/caps [v1].jsonl")
    assert taken.captions == ["a fox", "an owl"]


def test_columns_of_the_second_shard_are_null_in_the_first(take: Take, cases: Path):
    taken = take(cases / "trials/column-only-in-second-shard/input")
    got = {row["caption"]: (row["similarity"], row["punsafe"]) for row in taken.rows}
    assert got["a"] == got["b"] == (None, None)
    assert got["d"] == (pytest.approx(0.2), pytest.approx(0.6))


def test_hive_folders_tell_the_language(take: Take, cases: Path):
    taken = take(cases / "trials/hive-jsonl/input")
    expected = [(f"{lang} {k}", lang) for lang in ("de", "en") for k in range(3)]
    assert columns(taken.rows, "caption", "lang") == expected


def test_bytes_of_cp1252_are_rejected(take: Take, cases: Path):
    taken = take(cases / "trials/latin1-txt/input")
    assert (taken.captions, taken.reasons) == (["plain fox"], {"invalid_utf8": 2})


def test_nan_is_no_caption_and_no_width(take: Take, cases: Path):
    taken = take(cases / "trials/nan-caption/input")
    assert columns(taken.rows, "caption", "width") == [("a fox", 640), ("an owl", 512)]
    assert taken.reasons == {"null_caption": 1}


@pytest.mark.parametrize(
    ("trial", "sizes"),
    [
        ("nan-width-parquet", [("a", None, 480), ("b", 640, None), ("c", 512, 3)]),
        ("width-over-int32", [("a", None, 640), ("b", 640, 641)]),
        (
            "width-int-then-double",
            [
                ("a kite", None, 3),
                ("a red fox", 640, 480),
                ("old bridge", 512, 512),
                ("two owls", 640, 480),
            ],
        ),
    ],
)
def test_widths_are_what_they_were_or_null(take: Take, cases: Path, trial: str, sizes: list[Any]):
    taken = take(cases / "trials" / trial / "input", preset="laion400m")
    assert columns(taken.rows, "caption", "width", "height") == sizes


def test_of_text_and_upper_case_text_the_preset_takes_its_own(take: Take, cases: Path):
    taken = take(cases / "trials/text-and-TEXT/input", preset="laion400m")
    assert columns(taken.rows, "caption", "text") == [("a", "c"), ("b", "d")]


def test_unsigned_ids_are_text(take: Take, cases: Path):
    taken = take(cases / "trials/uint64-id/input", columns={"uid": "key"})
    assert columns(taken.rows, "caption", "uid") == [("a", "9223372036854775813"), ("b", "7")]


def test_columns_of_tsv_files_go_by_their_headers(take: Take, cases: Path):
    taken = take(cases / "trials/tsv-other-column-order/input")
    expected = [("a bridge", "u4"), ("a fox", "u1"), ("a kite", "u3"), ("an owl", "u2")]
    assert columns(taken.rows, "caption", "url") == expected


@pytest.mark.parametrize(
    ("trial", "message"),
    [
        ("gz-named-jsonl", "x.jsonl: is compressed by gzip by its content"),
        ("truncated-gz", "x.jsonl.gz: is cut off"),
    ],
)
def test_files_that_cannot_be_read_are_named(take: Take, cases: Path, trial: str, message: str):
    with pytest.raises(InputDataError, match=message):
        take(cases / "trials" / trial / "input")
