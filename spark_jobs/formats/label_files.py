"""Label files as clip-beyond-tail publishes them: TSV of captions, captions per class.

Wen et al. 2024.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from spark_jobs.core.arrow_mapping import with_valid_text
from spark_jobs.core.columns import keys, named, require_columns
from spark_jobs.core.errors import InputDataError, MissingColumnError, SettingsError
from spark_jobs.core.schemas import CAPTION, CLASS_IDX, FILEPATH, LABEL, UID
from spark_jobs.core.settings import did_you_mean
from spark_jobs.storage.outputs.files import write_output_file

_ROWS_PER_PART = 50_000
_NAMES = re.compile(r"\{([^{}]*)\}")  # of columns in a pattern


def write_label_tsv(
    labelled: DataFrame,
    file: str,
    *,
    filepath: str | None,
    columns: Sequence[str],
    order: Sequence[str],
) -> None:
    """Write filepath, label and caption, tab-separated with a header.

    Sorted by `order`, ties by the key columns. CR, LF and tab in a caption become a space each, as
    in the published files. `filepath`: a pattern such as `images/{wnid}/{uid}.jpg` over the
    columns; default: the column filepath, or the uid if there is none. One file, streamed by the
    driver. Raises InputDataError if a row's filepath or label is null.
    """
    pattern = filepath or (f"{{{FILEPATH}}}" if FILEPATH in labelled.columns else f"{{{UID}}}")
    for name in order:
        if name not in labelled.columns:
            raise MissingColumnError(
                f"tsv_order: there is no column {name!r}{did_you_mean(name, labelled.columns)}"
            )
    column_of_name = {FILEPATH: _filepath(pattern, labelled), LABEL: named(CLASS_IDX)}
    if CAPTION in columns:
        require_columns(labelled, "tsv: the table", [CAPTION])
        column_of_name[CAPTION] = F.translate(CAPTION, "\r\n\t", "   ")
    used = {UID, CLASS_IDX, CAPTION, *order, *keys(labelled), *_NAMES.findall(pattern)}
    rows_read = labelled.select(*(named(name) for name in labelled.columns if name in used))
    ordered = with_valid_text(rows_read).orderBy(*map(named, order), *keys(labelled))
    lines = ordered.select(*(column_of_name[name].alias(name) for name in columns), UID)
    rows = lines.toLocalIterator(prefetchPartitions=True)
    write_output_file(file, _tsv_bytes(columns, _values_of_rows(columns, rows)))


def write_class_frequencies(counts: Iterable[tuple[str, int]], file: str) -> None:
    """Write one line `class name<TAB>captions` per class, in the order of `counts`."""
    lines = []
    for name, count in counts:
        if "\n" in name:
            raise InputDataError(
                f"frequencies: class {name!r} has a line break in its name, which a file of a line "
                "per class cannot hold"
            )
        lines.append(f"{name}\t{count}\n")
    write_output_file(file, ["".join(lines).encode()])


def _filepath(pattern: str, rows: DataFrame) -> Column:
    """The pattern with each `{name}` replaced by the column of exactly that name."""
    parts = _NAMES.split(pattern)  # text, name, text, name, ..., text
    for name in parts[1::2]:
        if name not in rows.columns:
            raise MissingColumnError(
                f"filepath {pattern!r}: there is no column {name!r}"
                f"{did_you_mean(name, rows.columns)}"
            )
    if any(brace in text for text in parts[::2] for brace in "{}"):
        raise SettingsError(f"filepath {pattern!r}: a brace stands alone, expected {{column}}")
    values = [named(p).cast("string") if i % 2 else F.lit(p) for i, p in enumerate(parts)]
    return F.concat(*values)


def _values_of_rows(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[Sequence[object]]:
    """The rows without their last column, uid; InputDataError for a null other than a caption."""
    required = [name for name in columns if name != CAPTION]
    for row in rows:
        null_column = next((name for name in required if row[name] is None), None)
        if null_column is not None:
            raise InputDataError(
                f"tsv: the row of uid {row[UID]!r} has no {null_column}: a column that makes it is "
                "null"
            )
        yield row[:-1]


def _tsv_bytes(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """The file's bytes in parts of 50,000 rows; a null is written as an empty field."""
    part = io.StringIO(newline="")
    writer = csv.writer(part, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    for n, row in enumerate(rows, start=1):
        writer.writerow(row)
        if n % _ROWS_PER_PART == 0:
            yield part.getvalue().encode()
            part.seek(0)
            part.truncate()
    yield part.getvalue().encode()
