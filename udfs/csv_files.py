"""Read comma-separated files, each by one task: RFC 4180, all bytes of a field kept as they are."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

import pyarrow as pa

from udfs.arrow import Batches, BatchFunction
from udfs.opened_files import DECOMPRESSION_ERRORS, decompression_error, open_file

PATH, FILE, LINE, FAULT = "path", "file", "line", "fault"
WRONG_NUMBER_OF_FIELDS, WRONG_QUOTES = "wrong_number_of_fields", "wrong_quotes"
# Latin-1 maps each byte to one character and back, so bytes that are not UTF-8 are kept.
_BYTES = "latin-1"
_BOM = "\ufeff".encode().decode(_BYTES)
_BATCH_ROWS = 5_000
# Replaces a CR inside a line, which Python's reader refuses outside of quotes; not in Latin-1.
_CR = "\u0100"
_HEAD_BYTES = 1 << 16
csv.field_size_limit(2**31 - 1)


class CsvRecord(NamedTuple):
    """A record: its fields, its text, and its fault if it is not valid."""

    fields: Sequence[str]
    text: str
    fault: str | None


def csv_records(stream: Any, separator: str) -> Iterator[CsvRecord]:
    """Iterate over the records of a binary stream, the header first; blank lines are skipped.

    An unclosed quote, or text after a closing one, is the fault wrong_quotes. Only the first line
    of such a record is rejected; the lines below it are parsed again, so that one stray quote does
    not swallow the rest of the file.
    """
    lines = _Lines(_text(stream))
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield CsvRecord([], lines.take_first_line(), WRONG_QUOTES)
            reader = csv.reader(lines, delimiter=separator, strict=True)
            continue
        text = lines.take_text()
        if fields:
            yield CsvRecord([field.replace(_CR, "\r") for field in fields], text, None)


def _text(stream: Any) -> IO[str]:
    """Text lines ending in LF or CR LF, or in CR alone if the file's first bytes have no LF."""
    buffered = stream if hasattr(stream, "peek") else io.BufferedReader(stream)
    head = buffered.peek(_HEAD_BYTES)
    newline = "\r" if b"\r" in head and b"\n" not in head else "\n"
    return io.TextIOWrapper(buffered, encoding=_BYTES, newline=newline)


class _Lines:
    """Lines for a csv reader, which remember those read for the current record."""

    def __init__(self, lines: IO[str]) -> None:
        self._lines = lines
        self._record_lines: list[str] = []
        self._lines_to_repeat: list[str] = []
        self._is_first = True

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._lines_to_repeat.pop() if self._lines_to_repeat else next(self._lines)
        if self._is_first:
            line, self._is_first = line.removeprefix(_BOM), False
        self._record_lines.append(line)
        body = line.rstrip("\r\n")
        return body.replace("\r", _CR) + line[len(body) :]

    def take_text(self) -> str:
        """The text of the lines read since the last call, without the last line break."""
        text = "".join(self._record_lines)
        self._record_lines.clear()
        return text.removesuffix("\n").removesuffix("\r")

    def take_first_line(self) -> str:
        """The text of the first of these lines; the others will be read again."""
        self._lines_to_repeat += reversed(self._record_lines[1:])
        del self._record_lines[1:]
        return self.take_text()


def header_names(head: bytes, separator: str) -> list[str]:
    """The column names in a file's first bytes; none if they hold no record."""
    record = next(csv_records(io.BytesIO(head), separator), None)
    if record is None:
        return []
    names = record.fields or record.text.split(separator)
    return [name.encode(_BYTES).decode("utf-8", errors="replace") for name in names]


def read_csv(n_columns: int, separator: str) -> BatchFunction:
    """The mapInArrow function from path, file to the columns "0", "1", ..., line, fault, file.

    All are binary except fault and file. The first record of each file is skipped as its header.
    """

    def read(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            paths = batch.column(PATH).to_pylist()
            for path, file in zip(paths, batch.column(FILE).to_pylist(), strict=True):
                for records in _record_batches_of(path, separator):
                    yield _batch(records, n_columns, file)

    return read


def _record_batches_of(path: str, separator: str) -> Iterator[list[CsvRecord]]:
    records: list[CsvRecord] = []
    try:
        with open_file(path) as stream:
            file_records = csv_records(stream, separator)
            next(file_records, None)  # the header
            for record in file_records:
                records.append(record)
                if len(records) == _BATCH_ROWS:
                    yield records
                    records = []
    except DECOMPRESSION_ERRORS as fault:
        raise decompression_error(path, fault) from None
    if records:
        yield records


def _batch(records: Sequence[CsvRecord], n_columns: int, file: int) -> pa.RecordBatch:
    faults = [
        record.fault or (None if len(record.fields) == n_columns else WRONG_NUMBER_OF_FIELDS)
        for record in records
    ]
    nulls = [None] * n_columns
    rows = [r.fields if f is None else nulls for r, f in zip(records, faults, strict=True)]
    columns = [
        pa.array([None if v is None else v.encode(_BYTES) for v in column], pa.binary())
        for column in zip(*rows, strict=True)
    ]
    rejected_lines = [
        None if f is None else r.text.encode(_BYTES) for r, f in zip(records, faults, strict=True)
    ]
    columns += [
        pa.array(rejected_lines, pa.binary()),
        pa.array(faults, pa.string()),
        pa.array([file] * len(records), pa.int64()),
    ]
    return pa.RecordBatch.from_arrays(columns, [*map(str, range(n_columns)), LINE, FAULT, FILE])
