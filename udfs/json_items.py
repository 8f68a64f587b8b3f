"""The items of JSON list files, each as a line of JSON."""

import json
from collections.abc import Iterator

import pyarrow as pa

from udfs.arrow import Batches

_ROWS = 5_000


def json_items(batches: Batches) -> Iterator[pa.RecordBatch]:
    """Files with the columns path and content -> lines with the column value.

    A string becomes an object with that caption. Bytes that are no UTF-8 become lone surrogates,
    which the reader of the lines rejects by name. A file that is no list raises ValueError.
    """
    for batch in batches:
        for path, content in zip(batch.column("path"), batch.column("content"), strict=True):
            items = _parse(path.as_py(), content.as_py())
            for start in range(0, len(items), _ROWS):
                lines = [_line(item) for item in items[start : start + _ROWS]]
                yield pa.RecordBatch.from_arrays([pa.array(lines, pa.string())], ["value"])


def _parse(path: str, content: bytes) -> list[object]:
    try:
        items = json.loads(content.decode("utf-8", errors="surrogateescape"))
    except ValueError as fault:
        raise ValueError(f"{path}: is no JSON list ({fault})") from None
    if not isinstance(items, list):
        raise ValueError(f"{path}: is no JSON list (found {type(items).__name__})")
    return items


def _line(item: object) -> str:
    return json.dumps({"caption": item} if isinstance(item, str) else item)
