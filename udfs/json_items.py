"""The items of JSON list files and JSON lines, each as a line of JSON that is an object."""

import hashlib
import json
from collections.abc import Iterator
from typing import Literal, TypeAlias, TypeGuard

import pyarrow as pa

from udfs.arrow import Batches, BatchFunction

# What an item may be beside an object of columns or a caption alone: SynthCLIP's
# [caption, entry_ids], or MetaCLIP's records of several texts.
ItemForm: TypeAlias = Literal["plain", "pairs", "records"]

_ROWS = 5_000
_LARGEST_ID = 2**31 - 1


def list_items(form: ItemForm) -> BatchFunction:
    """Files with the columns path and content -> lines with the column value.

    A string becomes an object with that caption, a pair or record of the `form` its rows; what is
    none of these stays as it is, for the reader of the lines to reject. Bytes that are no UTF-8
    become lone surrogates, which that reader rejects by name. A file that is no list raises
    ValueError.
    """

    def items(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for path, content in zip(batch.column("path"), batch.column("content"), strict=True):
                yield from _lines(_parse(path.as_py(), content.as_py()), form)

    return items


def line_items(form: ItemForm) -> BatchFunction:
    """The same for lines that each hold one item; what is no JSON stays as it is."""

    def items(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            lines = [line for text in batch.column("value") for line in _of_line(text, form)]
            yield pa.RecordBatch.from_arrays([pa.array(lines, pa.binary())], ["value"])

    return items


def _of_line(line: pa.StringScalar, form: ItemForm) -> list[bytes]:
    content: bytes = line.as_buffer().to_pybytes()
    try:
        item = json.loads(content.decode("utf-8"))
    except ValueError:
        return [content]
    if isinstance(item, dict) and "texts" not in item:
        return [content]
    return [json.dumps(row).encode() for row in rows_of_item(item, form)]


def _lines(items: list[object], form: ItemForm) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(items), _ROWS):
        some = items[start : start + _ROWS]
        lines = [json.dumps(row).encode() for item in some for row in rows_of_item(item, form)]
        yield pa.RecordBatch.from_arrays([pa.array(lines, pa.binary())], ["value"])


def _parse(path: str, content: bytes) -> list[object]:
    try:
        items = json.loads(content.decode("utf-8", errors="surrogateescape"))
    except ValueError as fault:
        raise ValueError(f"{path}: is no JSON list ({fault})") from None
    if not isinstance(items, list):
        raise ValueError(f"{path}: is no JSON list (found {type(items).__name__})")
    return items


def rows_of_item(item: object, form: ItemForm) -> list[object]:
    """The rows of one item; never none, so that nothing is lost without being rejected."""
    if isinstance(item, str):
        return [{"caption": item}]
    if form == "pairs" and _is_matched(item, n_before=0):
        return [{"caption": item[0], "entry_ids": item[1]}]
    if form == "records" and isinstance(item, dict) and isinstance(item.get("texts"), list):
        return _texts(item) or [item]
    return [item]


def _texts(record: dict[str, object]) -> list[object]:
    """A row per text [source, caption] or [source, caption, entry_ids] of a record."""
    common = {key: value for key, value in record.items() if key != "texts"}
    if common.get("uuid") is None and isinstance(record.get("url"), str):
        common["uuid"] = hashlib.md5(str(record["url"]).encode("utf-8", "replace")).hexdigest()
    if common.get("uuid") is None:
        return []
    rows: list[object] = []
    for number, text in enumerate(record["texts"]):  # type: ignore[arg-type, var-annotated]
        if _is_matched(text, n_before=1) or _is_text(text):
            source, caption, *ids = text
            row = {"caption_id": number, "caption_source": source, "caption": caption}
            rows.append(common | row | ({"entry_ids": ids[0]} if ids else {}))
        else:
            rows.append(common | {"caption_id": number, "text": text})
    return rows


def _is_text(item: object) -> TypeGuard[list[str]]:
    return isinstance(item, list) and len(item) == 2 and all(isinstance(x, str) for x in item)


def _is_matched(item: object, n_before: int) -> TypeGuard[list]:  # type: ignore[type-arg]
    """Whether an item is `n_before` strings, a caption, and a list of entry ids."""
    return (
        isinstance(item, list)
        and len(item) == n_before + 2
        and all(isinstance(part, str) for part in item[:-1])
        and isinstance(item[-1], list)
        and all(type(i) is int and 0 <= i <= _LARGEST_ID for i in item[-1])
    )
