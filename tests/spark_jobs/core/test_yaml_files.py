"""Settings in YAML: what no file of settings holds is refused at once, in one short line."""

import os
import time
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest

from spark_jobs.core.errors import SettingsError
from spark_jobs.core.yaml_files import MAX_BYTES, MAX_DEPTH, parse_yaml_value, read_yaml_map

LETTERS = "abcdefghij"


def repeated(item: str) -> str:
    """Nine lists of nine lists ... of nine texts, by aliases: 3.5e9 values in 430 bytes."""
    levels = pairwise(LETTERS)
    first = f"a: &a [{','.join(['x'] * 9)}]\n" if item == "[{}]" else "a: &a {x: 1}\n"
    more = (f"{this}: &{this} {item.format(','.join([f'*{last}'] * 9))}\n" for last, this in levels)
    return first + "".join(more)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (repeated("[{}]"), "line 1: expands to more than 200,000 values by its aliases"),
        (repeated("{{<<: [{}]}}"), "line 1: expands to more than 200,000 values by its aliases"),
        ("a: &v {b: *v}", "line 1: holds itself by an alias"),
        ("[" * 5000, "line 1: nests deeper than 50 levels"),
        ("\n".join(" " * n + "a:" for n in range(500)), "nests deeper than 50 levels"),
        ("a: !!python/object/apply:os.system [ls]", "has the tag"),
        ("a: !!binary aGk=", "has the tag"),
        ("a: 1\na: 2", "line 2: 'a' stands there twice"),
        (f"{'x' * 500}: 1\n{'x' * 500}: 2", "stands there twice"),
        ("a: .nan", "line 1: .nan is no number"),
        ("? [a]\n: 1", "line 1: a list is a key, expected text"),
        ("a: 2020-13-40", "month must be in 1..12"),
        (f"a: {'9' * 5000}", "line 1: is a number of 5,000 characters"),
        ("a: [1", "line 1: expected ',' or ']'"),
        ("a: 1\n---\nb: 2", "line 2: but found another document"),
        (f"{'a' * 5000}: b: c", "mapping values are not allowed here"),
        ("a: \0", "character 3: special characters are not allowed"),
        ("- a", "expected a map of settings, found list"),
    ],
    ids=range(18),
)
def test_what_no_settings_hold_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "a.yml"
    file.write_text(text)
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(SettingsError) as raised:
        read_yaml_map(file)
    seconds, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    line = str(raised.value)
    assert message in line
    assert str(file) in line
    assert "\n" not in line
    assert len(line) < len(str(file)) + 250
    assert peak < 50 << 20
    assert seconds < 5  # under tracemalloc, on a busy machine; 0.01 s alone


def test_a_bomb_on_the_command_line_is_refused() -> None:
    bomb = f"{{{repeated('[{}]').strip().replace(chr(10), ', ')}}}"
    with pytest.raises(SettingsError, match=r"^x: is no YAML of settings \(line 1: expands to"):
        parse_yaml_value(bomb, "x")


def test_depth_and_aliases_within_bounds_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    depth = MAX_DEPTH - 2
    file.write_text(f"a: {'[' * depth}{']' * depth}\nb: &b [1, 2]\nc: [*b, *b]\nd: '!x'\n")
    read = read_yaml_map(file)
    assert read["c"] == [[1, 2], [1, 2]]
    assert read["d"] == "!x"


def test_large_files_and_what_is_no_file_are_not_read(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_bytes(b"a: " + b"x" * MAX_BYTES)
    with pytest.raises(SettingsError, match="has more than the 8,388,608 bytes"):
        read_yaml_map(file)
    os.mkfifo(tmp_path / "b.yml")
    with pytest.raises(SettingsError, match="is no regular file"):
        read_yaml_map(tmp_path / "b.yml")
    file.write_bytes(b"a: \xff")
    with pytest.raises(SettingsError, match="byte 3 is no UTF-8"):
        read_yaml_map(file)


def test_a_map_may_be_merged_again_and_again(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_text("a: &a {x: 1, y: 2}\np: {base: &b {<<: *a, x: 3}}\nuse: {<<: *b, y: 4}\n")
    assert read_yaml_map(file) == {
        "a": {"x": 1, "y": 2},
        "p": {"base": {"x": 3, "y": 2}},
        "use": {"x": 3, "y": 4},
    }


def test_of_merged_maps_the_first_that_has_a_key_decides(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_text("a: &a {key: 1}\nb: &b {key: 2, other: 2}\nuse: {<<: [*a, *b], t: 4}\n")
    assert read_yaml_map(file)["use"] == {"key": 1, "other": 2, "t": 4}


@pytest.mark.parametrize("merged", ["3", "[3]", "[[{x: 1}]]"])
def test_only_maps_are_merged(tmp_path: Path, merged: str) -> None:
    file = tmp_path / "a.yml"
    file.write_text(f"use: {{<<: {merged}}}\n")
    with pytest.raises(SettingsError, match="is merged, expected a map"):
        read_yaml_map(file)
