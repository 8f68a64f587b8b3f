"""Read records of JSON lines and JSON lists as rows; a record with a fault becomes a row too."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, islice
from typing import Any, NamedTuple

import pyarrow as pa

from udfs.arrow import Batches, BatchFunction
from udfs.json_items import ItemForm, WrongRecord, is_pair, rows_of_item
from udfs.json_kinds import RecordKinds
from udfs.json_lists import NoListError, list_items
from udfs.opened_files import DamagedFileError, chunks, decompressed_blocks, shown_path
from udfs.task_errors import TaskInputError

VALUE, FILE, PATH, CONTENT = "value", "file", "path", "content"
LINE, FAULT = "line", "fault"
KINDS, ROWS = "kinds", "rows"
CORRUPT_JSON, INVALID_UTF8, LONE_SURROGATE = "corrupt_json", "invalid_utf8", "lone_surrogate"
_WHITESPACE = " \t\r\n"
REPEATED_FIELD, WRONG_RECORD = "repeated_field", "wrong_record"
NESTED_TOO_DEEP = "nested_too_deep"
_MOST_DEPTH = 50  # of lists and objects in a record: readers of Spark's types are recursive
PAIR = "pair_needs_preset_synthclip_matches"


class _WithRepeatedName(dict[str, Any]):
    """An object in which a name occurs twice; it holds the last value."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    return values if len(values) == len(pairs) else _WithRepeatedName(pairs)


DECODER = json.JSONDecoder(object_pairs_hook=_object)
_BATCH_ROWS = 5_000
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"?|([\[{])|([\]}])', re.DOTALL)


class Record(NamedTuple):
    """A record, {} if it has a fault, and the line that it was read from."""

    values: dict[str, Any]
    line: bytes
    fault: str | None


class Layout(NamedTuple):
    """columns: name -> type. texts: those that must hold text -> fault of a record without."""

    columns: Mapping[str, pa.DataType]
    texts: Mapping[str, str]


def look_at_lines(form: ItemForm) -> BatchFunction:
    """The mapInArrow function from value, file (lines) to file, kinds (JSON), rows.

    One row for each file of a task.
    """

    def look(batches: Batches) -> Iterator[pa.RecordBatch]:
        yield from _kinds_by_file(_records_of_lines(batches, form))

    return look


def look_at_lists(form: ItemForm) -> BatchFunction:
    """Like `look_at_lines`, from path, file, content of whole files, null if it is read here."""

    def look(batches: Batches) -> Iterator[pa.RecordBatch]:
        yield from _kinds_by_file(_records_of_lists(batches, form))

    return look


def read_lines(form: ItemForm, layout: Layout) -> BatchFunction:
    """The mapInArrow function from value, file (lines) to "0", "1", ..., line, fault, file."""

    def read(batches: Batches) -> Iterator[pa.RecordBatch]:
        yield from _rows(_records_of_lines(batches, form), layout)

    return read


def read_lists(form: ItemForm, layout: Layout) -> BatchFunction:
    """Like `read_lines`, from path, file, content of whole files, null if it is read here."""

    def read(batches: Batches) -> Iterator[pa.RecordBatch]:
        yield from _rows(_records_of_lists(batches, form), layout)

    return read


def records_of_line(line: bytes, form: ItemForm = "plain") -> list[Record]:
    """The records of a line: several if it holds several JSON values, none if it is blank.

    Text after the last valid JSON value is a record with the fault corrupt_json, or
    nested_too_deep if its brackets nest deeper than a record may.
    """
    try:
        text = line.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        return [Record({}, line, INVALID_UTF8)]
    if not text.strip(_WHITESPACE):
        return []
    try:
        return _records_of_item(DECODER.decode(text), form, line)
    except (ValueError, RecursionError):
        return _records_of_several(text, form)


def _records_of_several(text: str, form: ItemForm) -> list[Record]:
    records: list[Record] = []
    start = _skip_whitespace(text, 0)
    while start < len(text):
        try:
            item, end = DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            rest = text[start:]
            return [*records, Record({}, rest.encode(), _fault_of_text(rest))]
        records += _records_of_item(item, form, text[start:end].encode())
        start = _skip_whitespace(text, end)
    return records


def _fault_of_text(text: str) -> str:
    """The same in every process: the depth that a decoder reaches depends on who imported what."""
    steps = (bool(match[1]) - bool(match[2]) for match in _STRING_OR_BRACKET.finditer(text))
    deep = any(depth > _MOST_DEPTH for depth in accumulate(steps))
    return NESTED_TOO_DEEP if deep else CORRUPT_JSON


def _skip_whitespace(text: str, start: int) -> int:
    while start < len(text) and text[start] in _WHITESPACE:
        start += 1
    return start


def _records_of_item(item: object, form: ItemForm, line: bytes) -> list[Record]:
    """The records of an item of a line, where a bare caption is a fault (in a list it is none)."""
    if form == "plain" and not isinstance(item, dict):
        return [_record(item, line)]
    rows = rows_of_item(item, form)
    if len(rows) == 1 and rows[0] is item:
        return [_record(item, line)]
    return _records_of_rows(rows)


def _record(row: object, line: bytes) -> Record:
    if line.count(b"[") + line.count(b"{") > _MOST_DEPTH and _depth(row) > _MOST_DEPTH:
        return Record({}, line, NESTED_TOO_DEEP)
    if not isinstance(row, dict):
        return Record({}, line, PAIR if is_pair(row) else CORRUPT_JSON)
    if isinstance(row, WrongRecord):
        return Record({}, line, WRONG_RECORD)
    if b"\\u" in line and not _is_utf8(row):
        return Record({}, line, LONE_SURROGATE)
    if isinstance(row, _WithRepeatedName) or any(
        isinstance(v, _WithRepeatedName) for v in row.values()
    ):
        return Record({}, line, REPEATED_FIELD)
    return Record(row, line, None)


def _depth(row: object) -> int:
    """Nesting depth of lists and objects, counted up to _MOST_DEPTH + 1."""
    depth, level = 0, [row]
    while level and depth <= _MOST_DEPTH:
        lists = [part for part in level if isinstance(part, list)]
        objects = [part for part in level if isinstance(part, dict)]
        depth += bool(lists or objects)
        level = [item for part in lists for item in part]
        level += [value for part in objects for value in part.values()]
    return depth


def _is_utf8(row: object) -> bool:
    """Whether no string in it has a lone surrogate."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _records_of_lines(batches: Batches, form: ItemForm) -> Iterator[tuple[int, list[Record]]]:
    """(file, records) for each run of lines of one file in a batch."""
    for batch in batches:
        lines = batch.column(VALUE).cast(pa.binary()).to_pylist()
        files = batch.column(FILE).to_pylist()
        start = 0
        for end in range(1, len(files) + 1):
            if end == len(files) or files[end] != files[start]:
                records = [r for line in lines[start:end] for r in records_of_line(line, form)]
                yield files[start], records
                start = end


def _records_of_lists(batches: Batches, form: ItemForm) -> Iterator[tuple[int, list[Record]]]:
    """(file, records) for each _BATCH_ROWS items of a file; at least one per file."""
    for batch in batches:
        names = (PATH, FILE, CONTENT)
        for path, file, content in zip(*(batch.column(n).to_pylist() for n in names), strict=True):
            items, n_batches = _items(path, content), 0
            while some_items := [*islice(items, _BATCH_ROWS)]:
                rows_of_items = (rows_of_item(item, form) for item in some_items)
                yield file, [r for rows in rows_of_items for r in _records_of_rows(rows)]
                n_batches += 1
            if not n_batches:
                yield file, []


def _records_of_rows(rows: list[object]) -> list[Record]:
    """Records of rows without a line of their own; their JSON is written as the line."""
    try:
        return [_record(row, json.dumps(row).encode()) for row in rows]
    except RecursionError:  # json.dumps recurses deeper than the decoder, which just read it
        return [Record({}, b"", NESTED_TOO_DEEP)]


def _items(path: str, content: bytes | None) -> Iterator[object]:
    """The items of a JSON list, of a file that is opened here unless its content is given.

    Bytes that are not UTF-8 are read as lone surrogates.
    """
    blocks = chunks(path) if content is None else decompressed_blocks(content, path)
    expected = ""
    try:
        yield from list_items(blocks, DECODER)
        return
    except DamagedFileError:
        raise
    except NoListError as fault:
        reason = f"found {fault}"
        expected = "; expected a list of records, or an object a line (--format jsonl)"
    except RecursionError:
        reason = "its lists and objects nest too deep to be read"
    except ValueError as fault:
        reason = str(fault)
    raise TaskInputError(f"{shown_path(path)}: is no JSON list ({reason}){expected}")


def _kinds_by_file(file_records: Iterator[tuple[int, list[Record]]]) -> Iterator[pa.RecordBatch]:
    kinds_of: dict[int, RecordKinds] = {}
    n_rows: dict[int, int] = {}
    for file, records in file_records:
        kinds_of.setdefault(file, RecordKinds()).add(r.values for r in records if r.fault is None)
        n_rows[file] = n_rows.get(file, 0) + len(records)
    kinds = [json.dumps(kinds_of[file].kinds.as_json()) for file in n_rows]
    columns = [
        pa.array(n_rows, pa.int64()),
        pa.array(kinds),
        pa.array(n_rows.values(), pa.int64()),
    ]
    yield pa.RecordBatch.from_arrays(columns, [FILE, KINDS, ROWS])


def _rows(
    file_records: Iterator[tuple[int, list[Record]]], layout: Layout
) -> Iterator[pa.RecordBatch]:
    names = [*map(str, range(len(layout.columns))), LINE, FAULT, FILE]
    for file, records in file_records:
        faults = [record.fault or _text_fault(record.values, layout.texts) for record in records]
        columns = [
            _column([record.values.get(name) for record in records], data_type)
            for name, data_type in layout.columns.items()
        ]
        columns.append(pa.array([record.line for record in records], pa.binary()))
        columns.append(pa.array(faults, pa.string()))
        columns.append(pa.array([file] * len(records), pa.int64()))
        yield pa.RecordBatch.from_arrays(columns, names)


def _text_fault(values: Mapping[str, Any], texts: Mapping[str, str]) -> str | None:
    for name, fault in texts.items():
        value = values.get(name)
        if not (value is None or isinstance(value, str) or _is_nan(value)):
            return fault
    return None


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _column(values: Sequence[object], data_type: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, data_type, from_pandas=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError):
        convert = _converter(data_type)
        converted = [None if value is None else convert(value) for value in values]
        return pa.array(converted, data_type)


def _converter(data_type: pa.DataType) -> Callable[[Any], Any]:
    """A function that converts values, not null, to the type chosen to hold all of them."""
    if pa.types.is_string(data_type):
        return _as_text
    if pa.types.is_list(data_type):
        convert_item = _converter(data_type.value_type)
        return lambda items: [None if item is None else convert_item(item) for item in items]
    if pa.types.is_struct(data_type):
        fields = [data_type.field(k) for k in range(data_type.num_fields)]
        converters = {field.name: _converter(field.type) for field in fields}
        return lambda value: {
            name: None if value.get(name) is None else convert(value[name])
            for name, convert in converters.items()
        }
    return float if pa.types.is_floating(data_type) else lambda value: value


def _as_text(value: object) -> str | None:
    """Strings unchanged, NaN (which pandas writes for null) as null, all else as JSON."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return None if _is_nan(value) else json.dumps(value)


def begins_with_list(head: bytes) -> bool:
    """Whether the first bytes of a file begin a JSON list."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def begins_with_object(head: bytes) -> bool:
    """Whether the first bytes of a file begin a JSON object."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


def is_json_lines(head: bytes, *, or_one: bool = False) -> bool:
    """Whether the first line of a file is complete JSON, and another line follows unless `or_one`.

    False if the first line is longer than `head`.
    """
    first, _, rest = head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")
    if not (or_one or rest.strip()):
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return True
