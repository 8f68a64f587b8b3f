"""What mapInArrow takes and gives, and what of it a kernel may rely on."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import pyarrow as pa

from udfs.task_errors import TaskInputError

Batches: TypeAlias = Iterable[pa.RecordBatch]
BatchFunction: TypeAlias = Callable[[Batches], Iterator[pa.RecordBatch]]

MOST_BYTES = 64 << 20  # of a batch that a kernel gets, unless one row alone has more
_SHOWN_CHARACTERS = 40
_KEYS = ("uid", "query_id")  # columns that name a row


def chained(first: BatchFunction, second: BatchFunction) -> BatchFunction:
    """The function of mapInArrow that hands what the first gives to the second."""

    def both(batches: Batches) -> Iterator[pa.RecordBatch]:
        return second(first(batches))

    return both


def checked(function: BatchFunction) -> BatchFunction:
    """`function` on batches that Arrow finds valid, of at most MOST_BYTES.

    Spark takes any bytes for a string, and limits batches by their rows alone. Raises
    TaskInputError where a string is not UTF-8, with its column and row.
    """

    def on_valid(batches: Batches) -> Iterator[pa.RecordBatch]:
        return function(small for batch in batches for small in cut(valid(batch), MOST_BYTES))

    return on_valid


def valid(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch; TaskInputError where a string of it is not UTF-8."""
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid as fault:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if not _is_valid(column):
                raise TaskInputError(_fault_line(batch, name, column)) from None
        raise TaskInputError(f"a batch of the input is no valid Arrow data ({fault})") from None
    return batch


def cut(batch: pa.RecordBatch, most_bytes: int) -> Iterator[pa.RecordBatch]:
    """Slices of at most so many bytes, in the order of the rows, or of one row that has more."""
    if batch.num_rows < 2 or batch.nbytes <= most_bytes:
        yield batch
        return
    half = batch.num_rows // 2
    yield from cut(batch.slice(0, half), most_bytes)
    yield from cut(batch.slice(half), most_bytes)


def _is_valid(column: pa.Array) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _fault_line(batch: pa.RecordBatch, name: str, column: pa.Array) -> str:
    row = _first_invalid(column)
    where, value = _row_name(batch, row, name), column[row]
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if not is_text and not pa.types.is_nested(column.type):
        return f"column {name!r}: the value in {where} is no valid {column.type}"
    shown = f"the bytes {_bytes_of(value)!r:.{_SHOWN_CHARACTERS}}" if is_text else "bytes"
    return (
        f"column {name!r}: {shown} in {where} are no UTF-8, expected text; ingest-captions rejects "
        "such rows, or mend the table first"
    )


def _bytes_of(value: pa.Scalar) -> bytes:
    buffer = value.as_buffer()
    return b"" if buffer is None else bytes(buffer[:_SHOWN_CHARACTERS])


def _first_invalid(column: pa.Array) -> int:
    """The row of the first value that is not valid, of a column that is not.

    Rows are copied out, since Arrow validates the whole of what lies below a slice of lists.
    """
    start, size = 0, len(column)
    while size > 1:
        half = size // 2
        if _is_valid(column.take(pa.array(range(start, start + half)))):
            start, size = start + half, size - half
        else:
            size = half
    return start


def _row_name(batch: pa.RecordBatch, row: int, column: str) -> str:
    """What a row is called: by its key, where that can be read, else by its place."""
    for key in _KEYS:
        if key != column and key in batch.schema.names:
            name = batch.column(key).slice(row, 1)
            if _is_valid(name) and name.is_valid()[0].as_py():
                return f"the row of {key} {str(name[0].as_py())[:_SHOWN_CHARACTERS]!r}"
    return f"row {row} of a batch"
