"""Comma-separated files with a header, quoted as RFC 4180 has it; nothing else is interpreted."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

# Latin-1 maps each byte to a character and back, so that Spark's reader, which would put U+FFFD
# for what is no UTF-8, hands over the bytes as they are.
_BYTES = "ISO-8859-1"

OPTIONS = {
    "header": "true",
    "encoding": _BYTES,
    "quote": '"',
    "escape": '"',
    "multiLine": "true",
    "mode": "FAILFAST",
}


def rows_from_csv(read: DataFrame) -> DataFrame:
    """The rows of a reader with OPTIONS, as strings that hold the file's bytes."""
    columns = [
        F.encode(F.col(f"`{name}`"), _BYTES).cast("string").alias(_header(name))
        for name in read.columns
    ]
    return read.select(*columns)


def _header(name: str) -> str:
    return name.encode(_BYTES).decode("utf-8", errors="replace").removeprefix("\ufeff")
