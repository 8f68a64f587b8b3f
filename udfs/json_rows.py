"""Records of JSON lines and JSON lists as rows: none is lost, each fault has its name."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from udfs.arrow import Batches, BatchFunction
from udfs.json_items import ItemForm, WrongRecord, is_pair, rows_of_item
from udfs.json_kinds import RecordKinds
from udfs.opened_files import COMPRESSED, shown, unpacked
from udfs.task_errors import TaskInputError

VALUE, FILE, PATH, CONTENT = "value", "file", "path", "content"
LINE, FAULT = "line", "fault"
KINDS, ROWS = "kinds", "rows"
CORRUPT_JSON, INVALID_UTF8, LONE_SURROGATE = "corrupt_json", "invalid_utf8", "lone_surrogate"
_WHITE = " \t\r\n"
REPEATED_FIELD, WRONG_RECORD = "repeated_field", "wrong_record"
NESTED_TOO_DEEP = "nested_too_deep"
_MOST_DEPTH = 50  # of lists and objects in a record: Spark's types and their readers recurse
PAIR = "pair_needs_preset_synthclip_matches"


class _Repeated(dict[str, Any]):
    """An object in which a name stands twice, of which it holds the last value."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    return values if len(values) == len(pairs) else _Repeated(pairs)


_DECODER = json.JSONDecoder(object_pairs_hook=_object)
_BATCH_ROWS = 5_000


class Record(NamedTuple):
    """A record, {} where it has a fault, with the bytes or text it was read from."""

    values: dict[str, Any]
    line: bytes
    fault: str | None


class Layout(NamedTuple):
    """The columns of records: name -> type, and the fault of those that must hold text."""

    columns: Mapping[str, pa.DataType]
    texts: Mapping[str, str]


def look_at_lines(form: ItemForm) -> BatchFunction:
    """The function of mapInArrow: value and file in; file, kinds (JSON) and rows out.

    A row for each file of a task.
    """

    def look(batches: Batches) -> Iterator[pa.RecordBatch]:
        yield from _looked(_of_lines(batches, form))

    return look


def look_at_lists(form: ItemForm) -> BatchFunction:
    """The same for path, file and content of whole files."""

    def look(batches: Batches) -> Iterator[pa.RecordBatch]:
        yield from _looked(_of_lists(batches, form))

    return look


def read_lines(form: ItemForm, layout: Layout) -> BatchFunction:
    """The function of mapInArrow: value and file in; the columns by place, line, fault, file."""

    def read(batches: Batches) -> Iterator[pa.RecordBatch]:
        yield from _rows(_of_lines(batches, form), layout)

    return read


def read_lists(form: ItemForm, layout: Layout) -> BatchFunction:
    """The same for path, file and content of whole files."""

    def read(batches: Batches) -> Iterator[pa.RecordBatch]:
        yield from _rows(_of_lists(batches, form), layout)

    return read


def records_of_line(line: bytes, form: ItemForm = "plain") -> list[Record]:
    """All records of a line, several where several JSON values stand on it; none of a blank one.

    What stands behind the last value that can be read is a record with the fault corrupt_json.
    """
    try:
        text = line.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        return [Record({}, line, INVALID_UTF8)]
    if not text.strip(_WHITE):
        return []
    try:
        return _of_item(_DECODER.decode(text), form, line)
    except (ValueError, RecursionError):
        return _of_several(text, form)


def _of_several(text: str, form: ItemForm) -> list[Record]:
    records: list[Record] = []
    place = _next(text, 0)
    while place < len(text):
        try:
            item, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            return [*records, Record({}, text[place:].encode(), CORRUPT_JSON)]
        records += _of_item(item, form, text[place:end].encode())
        place = _next(text, end)
    return records


def _next(text: str, place: int) -> int:
    while place < len(text) and text[place] in _WHITE:
        place += 1
    return place


def _of_item(item: object, form: ItemForm, line: bytes) -> list[Record]:
    """The records of an item of a line; a caption alone is none there."""
    if form == "plain" and not isinstance(item, dict):
        return [_record(item, line)]
    rows = rows_of_item(item, form)
    if len(rows) == 1 and rows[0] is item:
        return [_record(item, line)]
    return _made(rows)


def _record(row: object, line: bytes) -> Record:
    if not isinstance(row, dict):
        return Record({}, line, PAIR if is_pair(row) else CORRUPT_JSON)
    if isinstance(row, WrongRecord):
        return Record({}, line, WRONG_RECORD)
    if line.count(b"[") + line.count(b"{") > _MOST_DEPTH and _depth(row) > _MOST_DEPTH:
        return Record({}, line, NESTED_TOO_DEEP)
    if b"\\u" in line and not _is_utf8(row):
        return Record({}, line, LONE_SURROGATE)
    if isinstance(row, _Repeated) or any(isinstance(v, _Repeated) for v in row.values()):
        return Record({}, line, REPEATED_FIELD)
    return Record(row, line, None)


def _depth(row: object) -> int:
    """How deep lists and objects nest in it, up to one more than they may."""
    depth, level = 0, [row]
    while level and depth <= _MOST_DEPTH:
        lists = [part for part in level if isinstance(part, list)]
        objects = [part for part in level if isinstance(part, dict)]
        depth += bool(lists or objects)
        level = [inside for part in lists for inside in part]
        level += [inside for part in objects for inside in part.values()]
    return depth


def _is_utf8(row: object) -> bool:
    """Whether no text in it has half of a surrogate pair."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _dumped(row: object) -> bytes:
    return json.dumps(row).encode()


def _of_lines(batches: Batches, form: ItemForm) -> Iterator[tuple[int, list[Record]]]:
    """(file, records) of each batch, file by file."""
    for batch in batches:
        lines = batch.column(VALUE).cast(pa.binary()).to_pylist()
        files = batch.column(FILE).to_pylist()
        start = 0
        for end in range(1, len(files) + 1):
            if end == len(files) or files[end] != files[start]:
                records = [r for line in lines[start:end] for r in records_of_line(line, form)]
                yield files[start], records
                start = end


def _of_lists(batches: Batches, form: ItemForm) -> Iterator[tuple[int, list[Record]]]:
    for batch in batches:
        names = (PATH, FILE, CONTENT)
        for path, file, content in zip(*(batch.column(n).to_pylist() for n in names), strict=True):
            items = _items(path, content)
            for start in range(0, len(items), _BATCH_ROWS):
                some = items[start : start + _BATCH_ROWS]
                yield file, [record for item in some for record in _listed(item, form)]
            if not items:
                yield file, []


def _listed(item: object, form: ItemForm) -> list[Record]:
    """The records of an item of a list; bytes that are no UTF-8 came as lone surrogates."""
    return _made(rows_of_item(item, form))


def _made(rows: list[object]) -> list[Record]:
    """Records of rows that stand in no line of their own."""
    try:
        return [_record(row, _dumped(row)) for row in rows]
    except RecursionError:  # as deep as it could just be read
        return [Record({}, b"", NESTED_TOO_DEEP)]


def _items(path: str, content: bytes) -> list[object]:
    try:
        text = unpacked(content).decode("utf-8", errors="surrogateescape").removeprefix("\ufeff")
        items = _DECODER.decode(text)
    except COMPRESSED:
        raise TaskInputError(f"{shown(path)}: is no JSON list (its gzip is cut off)") from None
    except (ValueError, RecursionError) as fault:
        raise TaskInputError(f"{shown(path)}: is no JSON list ({fault})") from None
    if not isinstance(items, list):
        raise TaskInputError(
            f"{shown(path)}: is no JSON list (found {type(items).__name__}); expected a list of "
            "records, or an object a line (--format jsonl)"
        )
    return items


def _looked(of_files: Iterator[tuple[int, list[Record]]]) -> Iterator[pa.RecordBatch]:
    seen: dict[int, RecordKinds] = {}
    rows: dict[int, int] = {}
    for file, records in of_files:
        seen.setdefault(file, RecordKinds()).add(r.values for r in records if r.fault is None)
        rows[file] = rows.get(file, 0) + len(records)
    kinds = [json.dumps(seen[file].kinds.as_json()) for file in rows]
    columns = [pa.array(rows, pa.int64()), pa.array(kinds), pa.array(rows.values(), pa.int64())]
    yield pa.RecordBatch.from_arrays(columns, [FILE, KINDS, ROWS])


def _rows(of_files: Iterator[tuple[int, list[Record]]], layout: Layout) -> Iterator[pa.RecordBatch]:
    names = [*map(str, range(len(layout.columns))), LINE, FAULT, FILE]
    for file, records in of_files:
        faults = [record.fault or _text_fault(record.values, layout.texts) for record in records]
        columns = [
            _column([record.values.get(name) for record in records], kind)
            for name, kind in layout.columns.items()
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


def _column(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind, from_pandas=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError):
        fit = _fitting(kind)
        return pa.array([None if value is None else fit(value) for value in values], kind)


def _fitting(kind: pa.DataType) -> Callable[[Any], Any]:
    """What brings a value that is not null to a type, which was chosen to hold them all."""
    if pa.types.is_string(kind):
        return _as_text
    if pa.types.is_list(kind):
        item = _fitting(kind.value_type)
        return lambda values: [None if value is None else item(value) for value in values]
    if pa.types.is_struct(kind):
        fits = {kind.field(k).name: _fitting(kind.field(k).type) for k in range(kind.num_fields)}
        return lambda value: {
            name: None if value.get(name) is None else fit(value[name])
            for name, fit in fits.items()
        }
    return float if pa.types.is_floating(kind) else lambda value: value


def _as_text(value: object) -> str | None:
    """Text as it is, NaN (which pandas writes for null) as null, all else as JSON."""
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
    """Whether the first line of a file is JSON as a whole and another line follows it, `or_one`.

    What begins with a longer line than `head` is none.
    """
    first, _, rest = head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")
    if not (or_one or rest.strip()):
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return True
