"""Rows as lines for a terminal."""

import pytest

from spark_jobs.report.terminal import cut, n_cells, printable, table_lines


def test_columns_stand_side_by_side_with_numbers_to_the_right() -> None:
    lines = table_lines(["uid", "n"], [["a", "1"], ["bcde", "1000"]], ["text", "number"], width=20)
    assert lines == ["uid      n", "----  ----", "a        1", "bcde  1000"]


def test_the_widest_columns_are_cut_until_all_fit() -> None:
    lines = table_lines(["uid", "caption"], [["u1", "x" * 50]], ["text"] * 2, width=30)
    assert lines == ["uid  caption", f"---  {'-' * 25}", f"u1   {'x' * 24}…"]


def test_columns_that_do_not_fit_are_a_line_each() -> None:
    names = [f"column_{k}" for k in range(5)]
    lines = table_lines(names, [["a"] * 5, ["b" * 99] * 5], ["text"] * 5, width=40)
    assert lines[:2] == ["column_0  a", "column_1  a"]
    assert (lines[5], lines[6]) == ("", f"column_0  {'b' * 29}…")
    assert len(lines) == 11


def test_wide_characters_take_two_cells() -> None:
    assert [n_cells(text) for text in ("猫", "e\u0301", "👩\u200d🚀", "cat")] == [2, 1, 4, 3]
    assert cut("猫猫猫", 5) == "猫猫…"
    lines = table_lines(["a", "b"], [["猫", "x"], ["cat", "y"]], ["text"] * 2, width=20)
    assert lines[2:] == ["猫   x", "cat  y"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\r\ttab", "two\\nlines\\r\\ttab"),
        ("\u202eturned", "\\u202eturned"),
        ("🐈\u200d⬛", "🐈\u200d⬛"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_what_steers_a_terminal_is_written_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_table_without_rows_has_its_names() -> None:
    assert table_lines(["a"], [], ["text"], width=10) == ["a", "-"]
