"""Lists of keys by which existing shards are filtered: webdataset's keys, or DataComp's uids."""

from collections.abc import Iterator

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.arrow_mapping import with_valid_text
from spark_jobs.core.columns import named, require_columns
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import UID
from spark_jobs.formats.datacomp_uids import write_uids
from spark_jobs.storage.outputs.files import write_output_file

SHARD_KEY = "key"  # img2dataset's column of webdataset's __key__
_LINES_PER_PART = 50_000


def key_column_of(rows: DataFrame, called: str, setting: str | None) -> str:
    """The column of keys: the setting's, else img2dataset's `key`, else uid.

    Raises MissingColumnError if the table has no column of the setting's name.
    """
    if setting is not None:
        require_columns(rows, called, [setting])
        return setting
    return SHARD_KEY if SHARD_KEY in rows.columns else UID


def write_keys(rows: DataFrame, column: str, file: str) -> int:
    """Write the rows' keys, each once and sorted; returns their number.

    A file `.npy` holds uids in DataComp's form, any other a key a line.
    """
    if file.endswith(".npy"):
        write_uids(rows, file)
        return count_rows(rows.select(UID).distinct())
    distinct = rows.select(named(column).cast("string").alias(column)).distinct()
    ordered = with_valid_text(distinct.orderBy(named(column)))
    lines = ordered.toLocalIterator(prefetchPartitions=True)
    counted = _CountedLines(row[0] for row in lines)
    write_output_file(file, counted)
    return counted.lines


class _CountedLines:
    """The bytes of a file of lines, part by part; `lines`: how many it has so far."""

    def __init__(self, texts: Iterator[str]) -> None:
        self._texts = texts
        self.lines = 0

    def __iter__(self) -> Iterator[bytes]:
        part: list[str] = []
        for text in self._texts:
            part.append(f"{text}\n")
            self.lines += 1
            if len(part) == _LINES_PER_PART:
                yield "".join(part).encode()
                part = []
        yield "".join(part).encode()


def refuse_unusable_keys(rows: DataFrame, called: str, column: str) -> None:
    """Raise InputDataError for a key that is null or has a line break, or that several uids have.

    Shards filtered by such keys would hold other pairs than the rows. Only these rows are looked
    at: a pair that is not among them, in another folder of shards, may have the key of one that is.
    `called`: the table in messages.
    """
    key = F.col("_key")  # not the column's name, which may be uid
    keys = rows.select(named(column).cast("string").alias("_key"), UID)
    faulty = count_rows(keys.where(key.isNull() | key.rlike("[\\r\\n]")))
    if faulty:
        raise InputDataError(
            f"{called}: {faulty:,} rows have no usable key in the column {column!r} (null, or with "
            "a line break); give another --key-column"
        )
    if column == UID:
        return
    per_key = keys.groupBy("_key").agg(F.min(UID).alias("a"), F.max(UID).alias("b"))
    shared = per_key.where(F.col("a") != F.col("b")).select(key).first()
    if shared is not None:
        raise InputDataError(
            f"{called}: key {shared[0]!r} of the column {column!r} is that of several uids, as "
            "where folders of shards were read together; give another --key-column"
        )
