"""Faulty values are named in our words, whatever pydantic says of them."""

from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from spark_jobs.core.errors import SettingsError
from spark_jobs.core.settings import Settings, validate_settings


class Inner(BaseModel):
    a: int = 0


class Many(Settings):
    n: int = 0
    t: int = Field(1, gt=0, le=9)
    share: float = Field(0.5, ge=0, lt=1)
    is_on: bool = False
    text: str = "a"
    name: str = Field("a", min_length=1, max_length=3)
    word: str = Field("a", pattern=r"^[^\W_]\w*$")
    kind: Literal["cat", "dog"] = "cat"
    names: list[str] = Field(["a"], min_length=1, max_length=2)
    columns: dict[str, str] = Field(default_factory=dict)
    inner: Inner = Inner()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("n", "x", "'x': expected a whole number"),
        ("n", 1.5, "1.5: expected a whole number"),
        ("n", [], "[]: expected a whole number"),
        ("t", 0, "0: expected a number above 0"),
        ("t", 10, "10: expected 9 or less"),
        ("share", "x", "'x': expected a number"),
        ("share", {}, "{}: expected a number"),
        ("share", float("nan"), "nan: expected a finite number"),
        ("share", -1, "-1: expected 0 or more"),
        ("share", 1, "1: expected a number below 1"),
        ("is_on", "maybe", "'maybe': expected true or false"),
        ("is_on", 1.5, "1.5: expected true or false"),
        ("text", 3, "3: expected text, in quotes where it looks like a number or a date"),
        ("text", b"\xff", "expected text, found bytes that are not UTF-8"),
        ("name", "", "'': expected 1 or more characters"),
        ("name", "abcd", "'abcd': expected 3 or fewer characters"),
        ("word", "_", "'_': expected letters, digits and _, with a letter or a digit first"),
        ("kind", "dgo", "'dgo': expected 'cat' or 'dog', did you mean 'dog'?"),
        ("names", 3, "3: expected a list, such as [a, b]"),
        ("names", [], "[]: expected 1 or more items, found 0"),
        ("names", ["a"] * 3, "expected 2 or fewer items, found 3"),
        ("columns", 3, "3: expected a map of keys and values"),
        ("inner", 3, "3: expected a map of keys and values"),
        ("txt", "x", "unknown setting 'txt', did you mean 'text'?"),
        ("n", 2**63, "expected a whole number of 64 bits, -2^63 to 2^63 - 1"),
    ],
)
def test_a_faulty_value(name: str, value: Any, words: str) -> None:
    with pytest.raises(SettingsError) as raised:
        validate_settings(Many, {name: value})
    assert str(raised.value).endswith(words)
