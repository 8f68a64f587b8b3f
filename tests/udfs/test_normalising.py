"""Texts that are equal but for case, punctuation, white space and forms of letters."""

import pyarrow as pa
import pytest

from udfs.text.normalising import normalise_texts, normalised


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A  Dog,\tin\nthe park!", "a dog in the park"),
        ("don't", "don t"),
        ("ＦＵＬＬ　width", "full width"),
        ("Straße", "strasse"),
        ("ﬁne café", "fine café"),
        ("cafe\u0301", "café"),
        ("C++ $5", "c++ $5"),
        ("“quoted”—dash…", "quoted dash"),
        ("non\u00a0breaking", "non breaking"),
        ("?!", ""),
        ("", ""),
        ("\u0130", "i\u0307"),
    ],
)
def test_normalises(text: str, expected: str) -> None:
    assert normalised(text) == expected


def test_normalising_twice_changes_nothing() -> None:
    for code in range(0x30000):
        text = f"a{chr(code)}b" if not 0xD800 <= code < 0xE000 else "ab"
        once = normalised(text)
        assert normalised(once) == once, hex(code)


def test_nothing_left_is_null() -> None:
    batch = pa.RecordBatch.from_arrays(
        [pa.array([1, 2, 3, 4]), pa.array(["A b", "...", None, ""])], ["uid", "node"]
    )
    [result] = normalise_texts([batch])
    assert result["node"].to_pylist() == ["a b", None, None, None]
