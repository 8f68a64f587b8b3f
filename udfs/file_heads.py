"""A first look at files: what they are and how they begin, one task for many files."""

from collections.abc import Iterator

import pyarrow as pa

from udfs.arrow import Batches
from udfs.opened_files import DamagedFileError, chunks, first_bytes, shown, what_it_is

PATH, HEAD, FAULT = "path", "head", "fault"
HEAD_BYTES = 1 << 16


def look_at_heads(batches: Batches) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: paths in; path, the first 64 KB unpacked, and why it cannot be text."""
    for batch in batches:
        paths = batch.column(PATH).to_pylist()
        heads, faults = zip(*map(_look, paths), strict=True)
        columns = [pa.array(paths), pa.array(heads, pa.binary()), pa.array(faults, pa.string())]
        yield pa.RecordBatch.from_arrays(columns, [PATH, HEAD, FAULT])


def _look(path: str) -> tuple[bytes, str | None]:
    try:
        head = first_bytes(path, HEAD_BYTES)
    except DamagedFileError as fault:
        return b"", str(fault)
    kind = what_it_is(head)
    if kind is None:
        return head, None
    return head, f"{shown(path)}: is {kind} by its content, whatever its name"


def read_to_the_end(batches: Batches) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: paths in; path, no head, and the fault of files that end too soon."""
    for batch in batches:
        paths = batch.column(PATH).to_pylist()
        faults = [_fault(path) for path in paths]
        no_heads = pa.nulls(len(paths), pa.binary())
        columns = [pa.array(paths), no_heads, pa.array(faults, pa.string())]
        yield pa.RecordBatch.from_arrays(columns, [PATH, HEAD, FAULT])


def _fault(path: str) -> str | None:
    try:
        for _ in chunks(path):
            pass
    except DamagedFileError as fault:
        return str(fault)
    return None
