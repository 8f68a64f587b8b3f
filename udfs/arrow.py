"""Types of mapInArrow functions, and checks that make their input batches valid and small."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import pyarrow as pa

from udfs.task_errors import TaskInputError

Batches: TypeAlias = Iterable[pa.RecordBatch]
BatchFunction: TypeAlias = Callable[[Batches], Iterator[pa.RecordBatch]]

MOST_BYTES = 64 << 20  # of a batch passed to a kernel, unless a single row has more
_SHOWN_CHARACTERS = 40
_KEYS = ("uid", "query_id")  # columns that identify a row in messages


def chained(first: BatchFunction, second: BatchFunction) -> BatchFunction:
    """Compose two mapInArrow functions: the second reads the output of the first."""

    def composed(batches: Batches) -> Iterator[pa.RecordBatch]:
        return second(first(batches))

    return composed


def checked(function: BatchFunction) -> BatchFunction:
    """Validate the input batches of `function`, and split them to at most MOST_BYTES.

    Spark stores any bytes as a string, and limits batches by number of rows only. Raises
    TaskInputError, with column and row, if a string is not UTF-8.
    """

    def checked_function(batches: Batches) -> Iterator[pa.RecordBatch]:
        valid_batches = map(validated, batches)
        return function(part for batch in valid_batches for part in split_batch(batch, MOST_BYTES))

    return checked_function


def filled(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """All columns of the schema, those that the batch has not as nulls."""
    names = set(batch.schema.names)
    columns = [
        batch.column(batch.schema.get_field_index(field.name)).cast(field.type)
        if field.name in names
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def one_batch(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """The rows of several batches, at least one of them with rows, as one."""
    if len(batches) == 1:
        return batches[0]
    [batch] = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return batch


def validated(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch unchanged; raises TaskInputError if a string in it is not UTF-8."""
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid as fault:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if not _is_valid(column):
                raise TaskInputError(_invalid_value_message(batch, name, column)) from None
        raise TaskInputError(f"a batch of the input is no valid Arrow data ({fault})") from None
    return batch


def split_batch(batch: pa.RecordBatch, most_bytes: int) -> Iterator[pa.RecordBatch]:
    """Slices of at most most_bytes in row order; a single row may have more."""
    if batch.num_rows < 2 or batch.nbytes <= most_bytes:
        yield batch
        return
    half = batch.num_rows // 2
    yield from split_batch(batch.slice(0, half), most_bytes)
    yield from split_batch(batch.slice(half), most_bytes)


def _is_valid(column: pa.Array) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _invalid_value_message(batch: pa.RecordBatch, name: str, column: pa.Array) -> str:
    row = _first_invalid(column)
    row_name, value = _row_name(batch, row, name), column[row]
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if not is_text and not pa.types.is_nested(column.type):
        return f"column {name!r}: the value in {row_name} is no valid {column.type}"
    shown = f"the bytes {_bytes_of(value)!r:.{_SHOWN_CHARACTERS}}" if is_text else "bytes"
    return (
        f"column {name!r}: {shown} in {row_name} are no UTF-8, expected text; ingest-captions "
        "rejects such rows, or mend the table first"
    )


def _bytes_of(value: pa.Scalar) -> bytes:
    buffer = value.as_buffer()
    return b"" if buffer is None else bytes(buffer[:_SHOWN_CHARACTERS])


def _first_invalid(column: pa.Array) -> int:
    """Row of the first invalid value of an invalid column, by bisection.

    Rows are copied by `take`, since Arrow validates all child values of a slice of lists.
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
    """The row's name in a message: its key if that is readable, else its index in the batch."""
    for key in _KEYS:
        if key != column and key in batch.schema.names:
            value = batch.column(key).slice(row, 1)
            if _is_valid(value) and value.is_valid()[0].as_py():
                return f"the row of {key} {str(value[0].as_py())[:_SHOWN_CHARACTERS]!r}"
    return f"row {row} of a batch"
