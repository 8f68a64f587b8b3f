"""A first look at files: what they are and how they begin, one task for many files."""

from collections.abc import Iterator

import pyarrow as pa

from udfs.arrow import Batches
from udfs.opened_files import DamagedFileError, chunks, first_bytes, shown, what_it_is

PATH, HEAD, FAULT = "path", "head", "fault"
HEAD_BYTES = 1 << 16
_BEGINNING = 64


def look_at_heads(batches: Batches) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: paths in; path, its first record, and why it cannot be text, out."""
    for batch in batches:
        paths = batch.column(PATH).to_pylist()
        heads, faults = zip(*map(_look, paths), strict=True)
        columns = [pa.array(paths), pa.array(heads, pa.binary()), pa.array(faults, pa.string())]
        yield pa.RecordBatch.from_arrays(columns, [PATH, HEAD, FAULT])


def first_record(head: bytes) -> bytes:
    """What tells a file's form: its first line and the beginning of the next, outside of quotes.

    Of a line that is longer than the head its beginning, so that the heads of many files are small.
    """
    end = head.find(b"\n")
    while end >= 0 and head.count(b'"', 0, end) % 2:
        end = head.find(b"\n", end + 1)
    if end < 0:
        return head if len(head) < HEAD_BYTES else head[:_BEGINNING]
    return head[: end + _BEGINNING]


def _look(path: str) -> tuple[bytes, str | None]:
    try:
        head = first_bytes(path, HEAD_BYTES)
    except DamagedFileError as fault:
        return b"", str(fault)
    kind = what_it_is(head)
    if kind is None:
        return first_record(head), None
    return head, f"{shown(path)}: is {kind} by its content, whatever its name"


def read_to_the_end(batches: Batches) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: paths in; path, and the fault of files that end too soon, out."""
    for batch in batches:
        paths = batch.column(PATH).to_pylist()
        faults = pa.array([_fault(path) for path in paths], pa.string())
        yield pa.RecordBatch.from_arrays([pa.array(paths), faults], [PATH, FAULT])


def _fault(path: str) -> str | None:
    try:
        for _ in chunks(path):
            pass
    except DamagedFileError as fault:
        return str(fault)
    return None
