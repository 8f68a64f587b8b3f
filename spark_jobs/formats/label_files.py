"""The published files of labelled captions: filepath, label and caption; captions per class."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from spark_jobs.core.columns import keys, named, require_columns
from spark_jobs.core.errors import InputDataError, MissingColumnError, SettingsError
from spark_jobs.core.schemas import CAPTION, CLASS_IDX, FILEPATH, LABEL, UID
from spark_jobs.core.settings import did_you_mean
from spark_jobs.storage.outputs.files import write_output_file

_PART_ROWS = 50_000


def write_label_tsv(
    labelled: DataFrame,
    file: str,
    *,
    filepath: str | None,
    columns: Sequence[str],
    order: Sequence[str],
) -> None:
    """Write filepath, label and caption, tab-separated with a header.

    Sorted by `order`; CR, LF and tab of a caption become a space each, as in the published files.
    Equal rows by `order` are sorted by their keys. `filepath`: a pattern such as
    `images/{wnid}/{uid}.jpg` over the columns; by default the column filepath, or the uid where
    there is none. One file, written by the driver as the rows come in. Raises InputDataError where
    a row has no filepath or label.
    """
    pattern = filepath or (f"{{{FILEPATH}}}" if FILEPATH in labelled.columns else f"{{{UID}}}")
    for name in order:
        if name not in labelled.columns:
            raise MissingColumnError(
                f"tsv_order: there is no column {name!r}{did_you_mean(name, labelled.columns)}"
            )
    in_file = {FILEPATH: _filled(pattern, labelled), LABEL: named(CLASS_IDX)}
    if CAPTION in columns:
        require_columns(labelled, "tsv: the table", [CAPTION])
        in_file[CAPTION] = F.translate(CAPTION, "\r\n\t", "   ")
    ordered = labelled.orderBy(*map(named, order), *keys(labelled))
    lines = ordered.select(*(in_file[name].alias(name) for name in columns), UID)
    rows = lines.toLocalIterator(prefetchPartitions=True)
    write_output_file(file, _tsv(columns, _refusing_null(columns, rows)))


def write_class_frequencies(counts: Iterable[tuple[str, int]], file: str) -> None:
    """Write `class name<TAB>captions`, a line a class, in the order of the classes."""
    lines = []
    for name, count in counts:
        if "\n" in name:
            raise InputDataError(
                f"frequencies: class {name!r} has a line break in its name, which a file of a line "
                "per class cannot hold"
            )
        lines.append(f"{name}\t{count}\n")
    write_output_file(file, ["".join(lines).encode()])


def _filled(pattern: str, rows: DataFrame) -> Column:
    """The pattern with each `{name}` replaced by the column of exactly that name."""
    parts = re.split(r"\{([^{}]*)\}", pattern)
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


def _refusing_null(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[Sequence[object]]:
    """The values of the columns; a null caption is an empty one, any other null a fault."""
    needed = [name for name in columns if name != CAPTION]
    for row in rows:
        empty = next((name for name in needed if row[name] is None), None)
        if empty is not None:
            raise InputDataError(
                f"tsv: the row of uid {row[UID]!r} has no {empty}: a column that makes it is null"
            )
        yield row[:-1]


def _tsv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """The file's text, a part at a time."""
    part = io.StringIO(newline="")
    writer = csv.writer(part, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    for n, row in enumerate(rows, start=1):
        writer.writerow(row)
        if n % _PART_ROWS == 0:
            yield part.getvalue().encode()
            part.seek(0)
            part.truncate()
    yield part.getvalue().encode()
