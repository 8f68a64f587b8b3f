"""Inspect the first bytes of many files per task: their format and their first record."""

from collections.abc import Iterator

import pyarrow as pa

from udfs.arrow import Batches
from udfs.opened_files import DamagedFileError, binary_format, chunks, first_bytes, shown_path

PATH, HEAD, FAULT = "path", "head", "fault"
HEAD_BYTES = 1 << 16
_LINE_START_BYTES = 64


def look_at_heads(batches: Batches) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: from paths to path, head, and fault if the file is not text or damaged.

    head: the file's start, cut by `first_record`; uncut if it is not text, empty if it is damaged.
    fault: a message that names the file.
    """
    for batch in batches:
        paths = batch.column(PATH).to_pylist()
        heads, faults = zip(*map(look_at_head, paths), strict=True)
        columns = [pa.array(paths), pa.array(heads, pa.binary()), pa.array(faults, pa.string())]
        yield pa.RecordBatch.from_arrays(columns, [PATH, HEAD, FAULT])


def first_record(head: bytes) -> bytes:
    """The first line of a file and the start of the next; line breaks in quotes do not count.

    This is enough to recognise its format. If the first line is longer than the head, only its
    start, so that the heads of many files stay small.
    """
    end = head.find(b"\n")
    while end >= 0 and head.count(b'"', 0, end) % 2:
        end = head.find(b"\n", end + 1)
    if end < 0:
        return head if len(head) < HEAD_BYTES else head[:_LINE_START_BYTES]
    return head[: end + _LINE_START_BYTES]


def look_at_head(path: str) -> tuple[bytes, str | None]:
    """(head, fault or None) of one file, as `look_at_heads` has them."""
    try:
        head = first_bytes(path, HEAD_BYTES)
    except DamagedFileError as fault:
        return b"", str(fault)
    format_name = binary_format(head)
    if format_name is None:
        return first_record(head), None
    return head, f"{shown_path(path)}: is {format_name} by its content, whatever its name"


def read_to_the_end(batches: Batches) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: read files to their end; from paths to path and fault if one is cut off."""
    for batch in batches:
        paths = batch.column(PATH).to_pylist()
        faults = pa.array([_decompression_fault(path) for path in paths], pa.string())
        yield pa.RecordBatch.from_arrays([pa.array(paths), faults], [PATH, FAULT])


def _decompression_fault(path: str) -> str | None:
    try:
        for _ in chunks(path):
            pass
    except DamagedFileError as fault:
        return str(fault)
    return None
