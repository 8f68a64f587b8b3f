"""Records of JSON: none is lost, each fault has its name, kinds are put together."""

import json
import math
import random
import sys

import pyarrow as pa
import pytest

from udfs.json_kinds import Kinds, RecordKinds
from udfs.json_lists import list_items
from udfs.json_rows import (
    CORRUPT_JSON,
    DECODER,
    WRONG_RECORD,
    Layout,
    Record,
    begins_with_list,
    is_json_lines,
    look_at_lists,
    read_lines,
    read_lists,
    records_of_line,
)
from udfs.task_errors import TaskInputError


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (rb'{"caption": "a"}', None),
        (rb'{"caption": "a', "corrupt_json"),
        (rb"[1, 2]", "corrupt_json"),
        (rb'"a cat"', "corrupt_json"),
        (rb'["a cat", [0, 2]]', "pair_needs_preset_synthclip_matches"),
        (rb'["a cat", [-1]]', "corrupt_json"),
        (b'{"caption": "a \xff"}', "invalid_utf8"),
        (rb'{"caption": "a \ud800 b"}', "lone_surrogate"),
        (rb'{"caption": "a \udc00 b"}', "lone_surrogate"),
        (rb'{"caption": "\ud83d\ud83d\ude00"}', "lone_surrogate"),
        (rb'{"caption": "\ud83d\ude00"}', None),
        (rb'{"caption": "\\ud800 is escaped"}', None),
        (rb'{"caption": "\\\ud800"}', "lone_surrogate"),
        (rb'{"\ud800": 1}', "lone_surrogate"),
        (rb'{"caption": "\u0041\ud7ff\ue000"}', None),
        (b'{"caption": "a", "x": ' + b"[" * 49 + b"]" * 49 + b"}", None),
        (b'{"caption": "a", "x": ' + b"[" * 50 + b"]" * 50 + b"}", "nested_too_deep"),
        (b'{"x": ' * 50 + b"1" + b"}" * 50, None),
        (b'{"x": ' * 51 + b"1" + b"}" * 51, "nested_too_deep"),
        (b'{"x": ' * 900 + b"1" + b"}" * 900, "nested_too_deep"),
        (b'{"caption": "a", "x": [' + b"[],{}," * 99 + b"[]]}", None),
        (b"[" * 50, "corrupt_json"),
        (b'{"a": "' + b"[" * 99, "corrupt_json"),
        (b'{"a": "\\"' + b"[" * 99 + b'", ', "corrupt_json"),
        (b"[" * 51, "nested_too_deep"),
        (b"[" * 51 + b"]" * 51, "nested_too_deep"),
        (b"[" * 5_000 + b"]" * 5_000, "nested_too_deep"),
        (b'{"a": ' * 5_000 + b"1" + b"}" * 5_000, "nested_too_deep"),
        (b"[" * 100_000, "nested_too_deep"),
        (b'{"a": ' * 100_000, "nested_too_deep"),
        (b"\xef\xbb\xbf" + b'{"caption": "behind a BOM"}', None),
    ],
)
def test_what_a_line_suffers_from(line: bytes, fault: str | None):
    (record,) = records_of_line(line)
    assert record.fault == fault
    if fault is None:
        assert record.values == json.loads(line.decode("utf-8-sig"))


def test_blank_lines_are_no_records():
    assert [records_of_line(line) for line in (b"", b" \t\r", b"\xef\xbb\xbf")] == [[], [], []]


def test_each_value_on_a_line_is_a_record():
    objects = [{"n": k, "caption": f"caption }}{{ {k}"} for k in range(300)]
    draws = random.Random(0)
    while objects:
        n = draws.randint(1, 5)
        some, objects = objects[:n], objects[n:]
        gaps = [draws.choice(["", " ", "\t", " \r "]) for _ in some]
        line = "".join(json.dumps(o) + gap for o, gap in zip(some, gaps, strict=True))
        assert [record.values for record in records_of_line(line.encode())] == some


def test_what_stands_behind_the_last_value_is_a_record_with_a_fault():
    records = records_of_line(b'{"caption": "a"}{"caption": "b"}, {"caption": "c"}')
    assert [record.values.get("caption") for record in records] == ["a", "b", None]
    assert records[2] == Record({}, b', {"caption": "c"}', CORRUPT_JSON)


def test_pairs_and_strings_are_records_of_their_forms():
    (pair,) = records_of_line(b'["a cat", [2, 0]]', "pairs")
    assert pair.values == {"caption": "a cat", "entry_ids": [2, 0]}
    (text,) = records_of_line(b'"a cat"', "pairs")
    assert text.values == {"caption": "a cat"}
    (other,) = records_of_line(b'["a cat", "x"]', "pairs")
    assert other.fault == CORRUPT_JSON


VALUES = [
    None,
    True,
    3,
    -(2**63),
    2**63,
    10**40,
    0.5,
    float("nan"),
    "x",
    [],
    [1, None],
    {},
    {"a": 1},
]


def test_kinds_are_the_same_however_they_are_put_together():
    draws = random.Random(1)
    records = [
        {draws.choice("abcde"): draws.choice(VALUES) for _ in range(draws.randint(0, 4))}
        for _ in range(2_000)
    ]
    whole = Kinds(fields={})
    for record in records:
        whole.add(record)
    quick = RecordKinds()
    quick.add(records)
    parts = Kinds(fields={})
    for start in range(0, len(records), 70):
        part = RecordKinds()
        part.add(records[start : start + 70])
        parts.merge(Kinds.from_json(json.loads(json.dumps(part.kinds.as_json()))))
    assert whole.as_json() == quick.kinds.as_json()
    assert sorted(whole.fields or {}) == sorted(parts.fields or {})
    for name, kinds in (whole.fields or {}).items():
        assert kinds.as_json()["s"] == (parts.fields or {})[name].as_json()["s"]


def test_what_is_nested_deeply_is_text():
    deep = RecordKinds()
    deep.add([{"a": json.loads("[" * 900 + "]" * 900)}])
    kinds, levels = deep.kinds.fields["a"], 0  # type: ignore[index]
    while kinds.items is not None:
        kinds, levels = kinds.items, levels + 1
    assert (levels, kinds.scalars) == (32, {"string"})


@pytest.mark.parametrize(
    ("record", "faults"),
    [
        ({"uuid": "r", "texts": [["alt", "a cat"], ["alt", "a dog", [1]]]}, [None, None]),
        ({"url": "http://x", "texts": [["alt", "a cat"], ["alt"]]}, [None, WRONG_RECORD]),
        ({"uuid": "r", "texts": [["alt", "a cat", [-1]], "a cat"]}, [WRONG_RECORD] * 2),
        ({"texts": [["alt", "a cat"]]}, [WRONG_RECORD]),  # neither uuid nor url
        ({"uuid": "r", "texts": []}, [WRONG_RECORD]),
        ({"uuid": "r", "texts": "a cat"}, [WRONG_RECORD]),
        ({"uuid": "r"}, [WRONG_RECORD]),
        ({"uuid": "r", "caption": "a cat"}, [None]),  # a row of its own
    ],
)
def test_records_of_several_texts(record: dict[str, object], faults: list[str | None]):
    assert [r.fault for r in records_of_line(json.dumps(record).encode(), "records")] == faults


def test_rows_have_every_value_in_the_type_that_was_chosen():
    layout = Layout(
        {
            "text": pa.string(),
            "number": pa.float64(),
            "big": pa.decimal128(38, 0),
            "list": pa.list_(pa.float64()),
            "struct": pa.struct([("a b", pa.int64()), ("c", pa.string())]),
        },
        {"text": "text_not_text"},
    )
    lines = [
        b'{"text": "a", "number": 1, "big": 7, "list": [1, 2.5], "struct": {"a b": 1}}',
        b'{"text": 5, "number": 0.5, "big": 18446744073709551615}',
        b'{"text": NaN, "list": [], "struct": {"c": [1, "x"]}, "other": 1}',
        b'{"text": ["x"]}',
        b"{",
    ]
    columns = [pa.array(lines), pa.array([4, 4, 5, 5, 5])]
    batch = pa.RecordBatch.from_arrays(columns, ["value", "file"])
    rows = pa.Table.from_batches(read_lines("plain", layout)([batch])).to_pylist()
    assert [row["fault"] for row in rows] == [
        None,
        "text_not_text",
        None,
        "text_not_text",
        "corrupt_json",
    ]
    assert [row["0"] for row in rows] == ["a", "5", None, '["x"]', None]
    assert [row["1"] for row in rows] == [1.0, 0.5, None, None, None]
    assert [row["2"] for row in rows][:2] == [7, 2**64 - 1]
    assert [row["3"] for row in rows][:3] == [[1.0, 2.5], None, []]
    assert rows[0]["4"] == {"a b": 1, "c": None}
    assert rows[2]["4"] == {"a b": None, "c": '[1, "x"]'}
    assert [row["file"] for row in rows] == [4, 4, 5, 5, 5]
    assert [row["line"] for row in rows] == lines


@pytest.mark.parametrize(
    ("head", "lines", "begins"),
    [
        (b'{"a": 1}\n{"a": 2}\n', True, False),
        (b'{"a": 1}\n', False, False),
        (b'{\n "a": 1\n}\n', False, False),
        (b"[\n1,\n2]", False, True),
        (b'\xef\xbb\xbf ["a"]\n["b"]', True, True),
        (b"", False, False),
    ],
)
def test_lines_are_told_from_lists(head: bytes, lines: bool, begins: bool):
    assert is_json_lines(head) == lines
    assert begins_with_list(head) == begins


@pytest.mark.parametrize("depth", [51, 300, 900])
def test_a_deep_item_of_a_list_is_one_rejected_row(depth: int) -> None:
    deep = '{"caption": "b", "x": ' + "[" * depth + "]" * depth + "}"
    content = f'[{{"caption": "a"}}, {deep}, {{"caption": "c"}}]'.encode()
    batch = pa.RecordBatch.from_arrays(
        [pa.array(["/f.json"]), pa.array([0]), pa.array([content])], ["path", "file", "content"]
    )
    layout = Layout({"caption": pa.string()}, {"caption": "caption_not_text"})
    (rows,) = read_lists("plain", layout)([batch])
    assert rows.column("0").to_pylist() == ["a", None, "c"]
    assert rows.column("fault").to_pylist() == [None, "nested_too_deep", None]


@pytest.mark.parametrize("limit", [1_000, 20_000])
def test_faults_of_deep_text_do_not_depend_on_the_limit_of_recursion(limit: int) -> None:
    before = sys.getrecursionlimit()
    lines = [b"[" * 3_000, b"[" * 3_000 + b"]" * 3_000, b'{"a": ' * 3_000 + b"1" + b"}" * 3_000]
    try:
        sys.setrecursionlimit(limit)
        faults = [record.fault for line in lines for record in records_of_line(line)]
    finally:
        sys.setrecursionlimit(before)
    assert faults == ["nested_too_deep"] * 3


def _whole(content: bytes) -> object:
    """The items of a list, or the fault of a decoder that has all of its text."""
    try:
        items = DECODER.decode(content.decode("utf-8", "surrogateescape").removeprefix("\ufeff"))
    except ValueError as fault:
        return str(fault)
    return items if isinstance(items, list) else type(items).__name__


def _one_by_one(content: bytes, n_bytes: int) -> object:
    """The same of a list that is read in blocks."""
    blocks = (content[k : k + n_bytes] for k in range(0, len(content), n_bytes))
    try:
        return [*list_items(blocks, DECODER)]
    except ValueError as fault:
        return str(fault)


def _value(draws: random.Random, depth: int = 0) -> object:
    if depth < 3 and draws.random() < 0.3:
        values = [_value(draws, depth + 1) for _ in range(draws.randint(0, 3))]
        return values if draws.random() < 0.5 else {draws.choice("ab"): v for v in values}
    texts = ["x", "\U0001f600\xe9", 'a\n"]},', "\ud800", "y" * 50, ""]
    return draws.choice([*VALUES[:10], -1.5e-7, -math.inf, *texts])


def test_items_and_faults_are_those_of_the_whole_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("udfs.json_lists._BLOCK", 1)
    draws, junk = (
        random.Random(2),
        b', ] [ { } " \xff \n . e - 12 \\u12 NaN \xe2\x82 : tru -Inf'.split(b" "),
    )
    for _ in range(4_000):
        items = [_value(draws) for _ in range(draws.randint(0, 4))]
        text = json.dumps(items, ensure_ascii=draws.random() < 0.5, indent=draws.choice([None, 1]))
        content = draws.choice([b"", b"", b"\xef\xbb\xbf"]) + text.encode("utf-8", "surrogatepass")
        for _ in range(draws.choice([0, 0, 1, 2])):
            start = draws.randrange(len(content) + 1)
            rest = content[start + draws.randint(0, 2) :] if draws.random() < 0.8 else b""
            content = content[:start] + draws.choice(junk) + rest
        n_bytes = draws.choice([1, 2, 3, 7, 64, 1 << 20])
        assert repr(_one_by_one(content, n_bytes)) == repr(_whole(content)), content


def test_a_value_longer_than_an_item_may_be_ends_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("udfs.json_lists._BLOCK", 10)
    monkeypatch.setattr("udfs.json_lists.MOST_VALUE_CHARACTERS", 1_000)
    items = list_items(iter([b'["a", "'] + [b"b" * 10] * 10_000), DECODER)
    assert next(items) == "a"
    with pytest.raises(ValueError, match=r"a value of more than 1,000 characters.*\(char 6\)"):
        next(items)


def test_a_list_that_cannot_be_read_for_its_depth_is_named() -> None:
    content = b"[" * 100_000 + b"]" * 100_000
    batch = pa.RecordBatch.from_arrays(
        [pa.array(["/f.json"]), pa.array([0]), pa.array([content])], ["path", "file", "content"]
    )
    with pytest.raises(TaskInputError, match="its lists and objects nest too deep"):
        list(look_at_lists("plain")([batch]))
