"""Read plain text, TSV and CSV files: one part for all files with the same header."""

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BinaryType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from spark_jobs.core.arrow_mapping import map_in_arrow_unchecked
from spark_jobs.core.columns import named
from spark_jobs.core.count_words import few_of
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import CAPTION
from spark_jobs.formats.folder_columns import file_id, file_ids
from spark_jobs.ingest.source import FAULT, FILE, LINE, Part, Source, positional_name
from spark_jobs.ingest.text_rules import INVALID_UTF8, is_valid_utf8
from spark_jobs.storage.file_lists import LITERAL_PATHS, ListedFile
from udfs.csv_files import WRONG_NUMBER_OF_FIELDS, header_names, read_csv

HEADER_AGAIN = "header_again"
_BOM = b"\xef\xbb\xbf"


def text_lines(spark: SparkSession, files: Sequence[ListedFile], end: str = "\n") -> DataFrame:
    """The lines of files without their line end, otherwise unchanged, in the column value."""
    reader = spark.read.options(**LITERAL_PATHS)
    return reader.text([file.path for file in files], lineSep=end)


def read_plain_text(
    spark: SparkSession, files: Sequence[ListedFile], heads: dict[str, bytes]
) -> Source:
    """Read files in which each line is a caption; a CR before the line end is dropped (CRLF).

    Lines end in CR alone if a file's head has CR but no LF.
    """
    files_by_line_end: dict[str, list[ListedFile]] = {"\n": [], "\r": []}
    for file in files:
        head = heads.get(file.path, b"")
        has_cr_only = b"\r" in head and b"\n" not in head
        files_by_line_end["\r" if has_cr_only else "\n"].append(file)
    parts = [
        _plain_text_part(spark, group, line_end)
        for line_end, group in files_by_line_end.items()
        if group
    ]
    return Source(parts, notes=notes_on_tabs(heads))


def notes_on_tabs(heads: Mapping[str, bytes]) -> list[str]:
    """A note that names the first of the text files whose first line has tabs; `heads`: by path."""
    tabbed = sorted(path for path, head in heads.items() if "\t" in first_line(head))
    if not tabbed:
        return []
    return [
        f"{few_of([path.rpartition('/')[2] for path in tabbed], 1)}: the first line has tabs, and "
        "each line is read as one caption; --format tsv reads columns"
    ]


def _plain_text_part(spark: SparkSession, files: Sequence[ListedFile], end: str) -> Part:
    lines = text_lines(spark, files, end)
    # Check the bytes before any string function, which would replace invalid ones by U+FFFD.
    is_valid = is_valid_utf8(F.col("value"))
    caption = F.when(is_valid, F.regexp_replace("value", r"\r\z", "")).otherwise(F.col("value"))
    frame = lines.select(
        caption.alias(positional_name(0)),
        F.col("value").alias(LINE),
        F.when(~is_valid, INVALID_UTF8).alias(FAULT),
        file_id().alias(FILE),
    )
    return Part(frame, (CAPTION,), tuple(file.path for file in files), lines)


def read_tsv_files(
    spark: SparkSession,
    files: Sequence[ListedFile],
    heads: dict[str, bytes],
    header: Sequence[str],
) -> Source:
    """Read lines split at tabs; quotes, NA and null have no special meaning.

    `header`: column names of files without a header; a first line equal to it is still taken as a
    header. If empty, each file's first line is its header. A further header line inside a file, as
    in concatenated files, is rejected as header_again.
    """
    files_by_header: dict[str | None, list[ListedFile]] = {}
    for file in files:
        line = first_line(heads[file.path])
        is_header = not header or line.split("\t") == list(header)
        files_by_header.setdefault(line if is_header else None, []).append(file)
    parts = [
        _tsv_part(spark, group, header_line, header)
        for header_line, group in files_by_header.items()
    ]
    return Source(parts)


def first_line(head: bytes) -> str:
    """The first line in a file's first bytes, without a mark at the start and its line end."""
    line = head.removeprefix(_BOM).partition(b"\n")[0].removesuffix(b"\r")
    return line.decode("utf-8", errors="replace")


def _tsv_part(
    spark: SparkSession, files: Sequence[ListedFile], header_line: str | None, header: Sequence[str]
) -> Part:
    """The part of files whose first line is `header_line`, or, if None, that have no header."""
    lines = text_lines(spark, files)
    no_fault = F.lit(None).cast("string").alias(FAULT)
    rows = lines.select("value", file_id().alias(FILE), no_fault)
    names = list(header) if header_line is None else header_line.split("\t")
    if header_line is not None:
        rows = _drop_headers(rows, header_line, len(files))
    line = F.regexp_replace("value", r"\r\z", "")
    with_fields = rows.select("value", FILE, FAULT, F.split(line, "\t", -1).alias("fields"))
    fault = (
        F.when(~is_valid_utf8(F.col("value")), INVALID_UTF8)
        .when(F.col(FAULT).isNotNull(), F.col(FAULT))
        .when(F.size("fields") != len(names), WRONG_NUMBER_OF_FIELDS)
    )
    fields = [F.get("fields", F.lit(k)).alias(positional_name(k)) for k in range(len(names))]
    frame = with_fields.select(*fields, F.col("value").alias(LINE), fault.alias(FAULT), FILE)
    return Part(frame, tuple(names), tuple(file.path for file in files), lines)


def _drop_headers(lines: DataFrame, header_line: str, n_files: int) -> DataFrame:
    """Drop one header line of each file; further ones get the fault header_again."""
    is_header = F.regexp_replace("value", r"\r\z", "") == header_line
    if count_rows(lines.where(is_header)) == n_files:
        return lines.where(~is_header)
    header_lines = lines.where(is_header).withColumn(
        "nth", F.row_number().over(Window.partitionBy(FILE).orderBy("value"))
    )
    further = header_lines.where("nth > 1").drop("nth").withColumn(FAULT, F.lit(HEADER_AGAIN))
    return lines.where(~is_header).unionByName(further)


def read_csv_files(
    spark: SparkSession,
    files: Sequence[ListedFile],
    heads: dict[str, bytes],
    separator: str,
) -> Source:
    """Read files with a header each, quoted as in RFC 4180; nothing else has a special meaning.

    If a header lacks `separator` but has semicolons or tabs, these separate the fields.
    """
    groups: dict[tuple[str, tuple[str, ...]], list[ListedFile]] = {}
    notes: dict[str, str] = {}
    for file in files:
        own_separator = separator_of(first_line(heads[file.path]), separator)
        if own_separator != separator:
            notes.setdefault(
                own_separator,
                f"{file.path}: fields are separated by {own_separator!r}, not {separator!r}",
            )
        names = header_names(heads[file.path], own_separator)
        groups.setdefault((own_separator, tuple(names)), []).append(file)
    parts = [
        _csv_part(spark, group, own_separator, names)
        for (own_separator, names), group in groups.items()
    ]
    return Source(parts, notes=list(notes.values()))


def separator_of(header: str, separator: str) -> str:
    """The separator that the header has: `separator`, else a semicolon or a tab."""
    if separator in header:
        return separator
    return next((other for other in (";", "\t") if other in header), separator)


def _csv_part(
    spark: SparkSession, files: Sequence[ListedFile], separator: str, names: Sequence[str]
) -> Part:
    positional_names = [positional_name(k) for k in range(len(names))]
    columns = StructType(
        [
            *(StructField(name, BinaryType()) for name in positional_names),
            StructField(LINE, BinaryType()),
            StructField(FAULT, StringType()),
            StructField(FILE, LongType()),
        ]
    )
    read = map_in_arrow_unchecked(file_ids(spark, files), read_csv(len(names), separator), columns)
    texts: list[Column] = [named(name).cast("string").alias(name) for name in positional_names]
    line = F.col(LINE).cast("string").alias(LINE)
    frame = read.select(*texts, line, FAULT, FILE)
    # Columns without a name, such as the index that pandas writes, are named as Spark names them.
    filled_names = tuple(name or f"_c{k}" for k, name in enumerate(names))
    return Part(frame, filled_names, tuple(file.path for file in files))
