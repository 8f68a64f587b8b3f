"""Comma-separated files with a header, quoted as RFC 4180 has it; nothing else is interpreted."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.ingest.text_lines import FAULT, LINE
from spark_jobs.ingest.tsv import WRONG_NUMBER_OF_FIELDS

# Latin-1 maps each byte to a character and back, so that Spark's reader, which would put U+FFFD
# for what is no UTF-8, hands over the bytes as they are.
_BYTES = "ISO-8859-1"
_CORRUPT = "_corrupt_record"

OPTIONS = {
    "header": "true",
    "encoding": _BYTES,
    "quote": '"',
    "escape": '"',
    "multiLine": "true",
    "mode": "PERMISSIVE",
    "columnNameOfCorruptRecord": _CORRUPT,
    "enforceSchema": "false",  # a file with another header is an error, not wrong columns
}


def with_corrupt_record(header: StructType) -> StructType:
    """The schema to read with: the header's columns, and the text of a record that breaks it."""
    return StructType([*header, StructField(_CORRUPT, StringType())])


def rows_from_csv(read: DataFrame) -> DataFrame:
    """The rows of a reader with OPTIONS: strings of the file's bytes, `_line` and `_fault`.

    `_line` is filled where a record has another number of fields than the header.
    """
    names = [name for name in read.columns if name != _CORRUPT]
    fault = F.when(F.col(_CORRUPT).isNotNull(), WRONG_NUMBER_OF_FIELDS)
    return read.select(
        *(_as_read(name).alias(_header(name)) for name in names),
        _as_read(_CORRUPT).alias(LINE),
        fault.alias(FAULT),
    )


def _as_read(name: str) -> Column:
    return F.encode(F.col(f"`{name}`"), _BYTES).cast("string")


def _header(name: str) -> str:
    return name.encode(_BYTES).decode("utf-8", errors="replace").removeprefix("\ufeff")
