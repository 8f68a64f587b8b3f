"""The published files of labelled captions: filepath, label and caption; captions per class."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.errors import MissingColumnError
from spark_jobs.folders import write_file, write_file_in_parts
from spark_jobs.schemas import CAPTION, CLASS_IDX, FILEPATH, LABEL, UID
from spark_jobs.settings import nearest

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
    `filepath`: a pattern such as `images/{wnid}/{uid}.jpg` over the columns; by default the column
    filepath, or the uid where there is none. One file, written by the driver as the rows come in.
    """
    pattern = filepath or (f"{{{FILEPATH}}}" if FILEPATH in labelled.columns else f"{{{UID}}}")
    for name in order:
        if name not in labelled.columns:
            raise MissingColumnError(
                f"tsv_order: there is no column {name!r}{nearest(name, labelled.columns)}"
            )
    ordered = labelled.orderBy(*order)
    told = ordered.select(
        _filled(pattern, labelled).alias(FILEPATH),
        F.col(CLASS_IDX).alias(LABEL),
        F.translate(CAPTION, "\r\n\t", "   ").alias(CAPTION),
    )
    rows = told.select(*columns).toLocalIterator(prefetchPartitions=True)
    write_file_in_parts(file, _tsv(columns, rows))


def write_class_frequencies(counts: Iterable[tuple[str, int]], file: str) -> None:
    """Write `class name<TAB>captions`, a line a class, in the order of the classes."""
    write_file(file, "".join(f"{name}\t{count}\n" for name, count in counts).encode())


def _filled(pattern: str, rows: DataFrame) -> Column:
    parts = re.split(r"\{(\w+)\}", pattern)
    for name in parts[1::2]:
        if name not in rows.columns:
            raise MissingColumnError(
                f"filepath {pattern!r}: there is no column {name!r}{nearest(name, rows.columns)}"
            )
    values = [F.col(p).cast("string") if i % 2 else F.lit(p) for i, p in enumerate(parts)]
    return F.concat(*values)


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
