"""Comma-separated files read whole by a task: RFC 4180, every byte of a field as it stands."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

import pyarrow as pa

from udfs.arrow import Batches, BatchFunction
from udfs.opened_files import COMPRESSED, damaged, open_file

PATH, FILE, LINE, FAULT = "path", "file", "line", "fault"
WRONG_NUMBER_OF_FIELDS, WRONG_QUOTES = "wrong_number_of_fields", "wrong_quotes"
# Latin-1 maps each byte to a character and back, so that what is no UTF-8 comes out as it went in.
_BYTES = "latin-1"
_BOM = "\ufeff".encode().decode(_BYTES)
_BATCH_ROWS = 5_000
# Stands for a CR inside a line, which Python's reader refuses outside of quotes; no Latin-1 has it.
_CR = "\u0100"
_HEAD_BYTES = 1 << 16
csv.field_size_limit(2**31 - 1)


class CsvRecord(NamedTuple):
    """A record: its fields, its text, and why it is none."""

    fields: Sequence[str]
    text: str
    fault: str | None


def csv_records(stream: Any, separator: str) -> Iterator[CsvRecord]:
    """All records of a binary stream, the header first; blank lines are none.

    A quote that is never closed, or text behind a closed one, is the fault wrong_quotes. Of such a
    record the first line alone is rejected and those below are read anew, so that one stray quote
    does not take the rest of a file with it.
    """
    lines = _Lines(_text(stream))
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield CsvRecord([], lines.first_again(), WRONG_QUOTES)
            reader = csv.reader(lines, delimiter=separator, strict=True)
            continue
        text = lines.taken()
        if fields:
            yield CsvRecord([field.replace(_CR, "\r") for field in fields], text, None)


def _text(stream: Any) -> IO[str]:
    """Lines that end in LF or CR LF; in CR alone where no LF stands in the file's first bytes."""
    buffered = stream if hasattr(stream, "peek") else io.BufferedReader(stream)
    head = buffered.peek(_HEAD_BYTES)
    newline = "\r" if b"\r" in head and b"\n" not in head else "\n"
    return io.TextIOWrapper(buffered, encoding=_BYTES, newline=newline)


class _Lines:
    """Lines for a reader, with those that it has taken since it was asked last."""

    def __init__(self, lines: IO[str]) -> None:
        self._lines = lines
        self._taken: list[str] = []
        self._again: list[str] = []
        self._is_first = True

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else next(self._lines)
        if self._is_first:
            line, self._is_first = line.removeprefix(_BOM), False
        self._taken.append(line)
        body = line.rstrip("\r\n")
        return body.replace("\r", _CR) + line[len(body) :]

    def taken(self) -> str:
        """The text of the lines taken since the last call."""
        text = "".join(self._taken)
        self._taken.clear()
        return text.removesuffix("\n").removesuffix("\r")

    def first_again(self) -> str:
        """The first of them; those below are to be taken once more."""
        self._again += reversed(self._taken[1:])
        del self._taken[1:]
        return self.taken()


def header_names(head: bytes, separator: str) -> list[str]:
    """The names in the first record of a file's first bytes; none where it is empty."""
    record = next(csv_records(io.BytesIO(head), separator), None)
    if record is None:
        return []
    names = record.fields or record.text.split(separator)
    return [name.encode(_BYTES).decode("utf-8", errors="replace") for name in names]


def read_csv(n_columns: int, separator: str) -> BatchFunction:
    """The function of mapInArrow: path and file in; the columns by place, line, fault, file out.

    All are binary but for fault and file. The first record of a file, its header, is no row.
    """

    def read(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            paths = batch.column(PATH).to_pylist()
            for path, file in zip(paths, batch.column(FILE).to_pylist(), strict=True):
                for records in _in_batches(path, separator):
                    yield _batch(records, n_columns, file)

    return read


def _in_batches(path: str, separator: str) -> Iterator[list[CsvRecord]]:
    records: list[CsvRecord] = []
    try:
        with open_file(path) as stream:
            read = csv_records(stream, separator)
            next(read, None)
            for record in read:
                records.append(record)
                if len(records) == _BATCH_ROWS:
                    yield records
                    records = []
    except COMPRESSED as fault:
        raise damaged(path, fault) from None
    if records:
        yield records


def _batch(records: Sequence[CsvRecord], n_columns: int, file: int) -> pa.RecordBatch:
    faults = [
        record.fault or (None if len(record.fields) == n_columns else WRONG_NUMBER_OF_FIELDS)
        for record in records
    ]
    empty = [None] * n_columns
    rows = [r.fields if f is None else empty for r, f in zip(records, faults, strict=True)]
    columns = [
        pa.array([None if v is None else v.encode(_BYTES) for v in column], pa.binary())
        for column in zip(*rows, strict=True)
    ]
    texts = [
        None if f is None else r.text.encode(_BYTES) for r, f in zip(records, faults, strict=True)
    ]
    columns += [
        pa.array(texts, pa.binary()),
        pa.array(faults, pa.string()),
        pa.array([file] * len(records), pa.int64()),
    ]
    return pa.RecordBatch.from_arrays(columns, [*map(str, range(n_columns)), LINE, FAULT, FILE])
