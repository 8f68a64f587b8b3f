"""Plain text, TSV and CSV files: a look at how each begins, then a part for each header."""

from collections.abc import Sequence

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
from spark_jobs.core.schemas import CAPTION
from spark_jobs.formats.folder_columns import file_id, file_ids
from spark_jobs.ingest.source import FAULT, FILE, LINE, Part, Source, positional_name
from spark_jobs.ingest.text_rules import INVALID_UTF8, is_valid_utf8
from spark_jobs.storage.file_lists import LITERAL_PATHS, ListedFile
from udfs.csv_files import WRONG_NUMBER_OF_FIELDS, header_names, read_csv

HEADER_AGAIN = "header_again"
_BOM = b"\xef\xbb\xbf"


def text_lines(spark: SparkSession, files: Sequence[ListedFile], end: str = "\n") -> DataFrame:
    """The lines of files as they are but for their end, in the column value."""
    reader = spark.read.options(**LITERAL_PATHS)
    return reader.text([file.path for file in files], lineSep=end)


def read_plain_text(
    spark: SparkSession, files: Sequence[ListedFile], heads: dict[str, bytes]
) -> Source:
    """Each line is a caption; one CR at its end goes, as the end of a line of DOS.

    Lines end in CR alone where a file begins with such lines and none in LF.
    """
    has_cr = [b"\r" in (head := heads.get(f.path, b"")) and b"\n" not in head for f in files]
    ends = {"\n": False, "\r": True}
    parts = [
        _plain_part(spark, some, end)
        for end, is_cr in ends.items()
        if (some := [f for f, of_cr in zip(files, has_cr, strict=True) if of_cr == is_cr])
    ]
    return Source(parts)


def _plain_part(spark: SparkSession, files: Sequence[ListedFile], end: str) -> Part:
    lines = text_lines(spark, files, end)
    # The bytes are looked at before any function of strings, which would put U+FFFD for them.
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
    """Lines cut at tabs, without any interpretation of quotes, NA or null.

    `header`: the names of columns of files that have no header, though a first line that is one
    is taken as such. Otherwise each file's own first line names its columns. A line that repeats
    the header inside a file, as joined files have it, is rejected as header_again.
    """
    groups: dict[str | None, list[ListedFile]] = {}
    for file in files:
        first = _first_line(heads[file.path])
        is_header = not header or first.split("\t") == list(header)
        groups.setdefault(first if is_header else None, []).append(file)
    parts = [_tsv_part(spark, some, first, header) for first, some in groups.items()]
    return Source(parts)


def _first_line(head: bytes) -> str:
    line = head.removeprefix(_BOM).partition(b"\n")[0].removesuffix(b"\r")
    return line.decode("utf-8", errors="replace")


def _tsv_part(
    spark: SparkSession, files: Sequence[ListedFile], first: str | None, header: Sequence[str]
) -> Part:
    lines = text_lines(spark, files)
    numbered = lines.select("value", file_id().alias(FILE), F.lit(None).cast("string").alias(FAULT))
    names = list(header) if first is None else first.split("\t")
    if first is not None:
        numbered = _without_headers(numbered, first, len(files))
    line = F.regexp_replace("value", r"\r\z", "")
    cut = numbered.select("value", FILE, FAULT, F.split(line, "\t", -1).alias("fields"))
    fault = (
        F.when(~is_valid_utf8(F.col("value")), INVALID_UTF8)
        .when(F.col(FAULT).isNotNull(), F.col(FAULT))
        .when(F.size("fields") != len(names), WRONG_NUMBER_OF_FIELDS)
    )
    fields = [F.get("fields", F.lit(k)).alias(positional_name(k)) for k in range(len(names))]
    frame = cut.select(*fields, F.col("value").alias(LINE), fault.alias(FAULT), FILE)
    return Part(frame, tuple(names), tuple(file.path for file in files), lines)


def _without_headers(lines: DataFrame, first: str, n_files: int) -> DataFrame:
    """The lines without one of each file that is its header; further ones have a fault."""
    is_header = F.regexp_replace("value", r"\r\z", "") == first
    if lines.where(is_header).count() == n_files:
        return lines.where(~is_header)
    again = lines.where(is_header).withColumn(
        "nth", F.row_number().over(Window.partitionBy(FILE).orderBy("value"))
    )
    again = again.where("nth > 1").drop("nth").withColumn(FAULT, F.lit(HEADER_AGAIN))
    return lines.where(~is_header).unionByName(again)


def read_csv_files(
    spark: SparkSession,
    files: Sequence[ListedFile],
    heads: dict[str, bytes],
    separator: str,
) -> Source:
    """Files with a header each, quoted as RFC 4180 has it; nothing else is interpreted.

    Where no `separator` stands in a header, but semicolons or tabs do, these separate.
    """
    groups: dict[tuple[str, tuple[str, ...]], list[ListedFile]] = {}
    notes: dict[str, str] = {}
    for file in files:
        used = _separator(_first_line(heads[file.path]), separator)
        if used != separator:
            notes.setdefault(
                used, f"{file.path}: fields are separated by {used!r}, not {separator!r}"
            )
        names = header_names(heads[file.path], used)
        groups.setdefault((used, tuple(names)), []).append(file)
    parts = [_csv_part(spark, some, used, names) for (used, names), some in groups.items()]
    return Source(parts, notes=list(notes.values()))


def _separator(header: str, separator: str) -> str:
    if separator in header:
        return separator
    return next((other for other in (";", "\t") if other in header), separator)


def _csv_part(
    spark: SparkSession, files: Sequence[ListedFile], separator: str, names: Sequence[str]
) -> Part:
    places = [positional_name(k) for k in range(len(names))]
    columns = StructType(
        [
            *(StructField(place, BinaryType()) for place in places),
            StructField(LINE, BinaryType()),
            StructField(FAULT, StringType()),
            StructField(FILE, LongType()),
        ]
    )
    read = map_in_arrow_unchecked(file_ids(spark, files), read_csv(len(names), separator), columns)
    texts: list[Column] = [named(place).cast("string").alias(place) for place in places]
    line = F.col(LINE).cast("string").alias(LINE)
    frame = read.select(*texts, line, FAULT, FILE)
    # As Spark calls a column without a name, such as the index that pandas writes.
    own_names = tuple(name or f"_c{k}" for k, name in enumerate(names))
    return Part(frame, own_names, tuple(file.path for file in files))
