"""Checks that a table has one row per key."""

from collections.abc import Sequence

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from spark_jobs.core.columns import keys, named
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.id_counts import repeated_hashes

_MAX_COLLECTED_HASHES = 1000


def refuse_repeated_keys(rows: DataFrame, address: str) -> None:
    """Raise InputDataError, naming a key, if several rows have the same `keys(rows)`.

    A join by such keys would multiply rows. Costs one pass over the key columns.
    """
    by = keys(rows)
    hashed = F.xxhash64(*by)
    # Different keys may share a hash, so the keys with a repeated hash are counted exactly.
    hashes = [
        row[0]
        for row in repeated_hashes(rows, hashed.alias("hash"))
        .limit(_MAX_COLLECTED_HASHES)
        .collect()
    ]
    if not hashes:
        return
    counted = rows.where(hashed.isin(hashes)).groupBy(*by).agg(F.count(F.lit(1)).alias("n"))
    row = counted.where("n > 1").orderBy(*by).first()
    if row is not None:
        raise InputDataError(
            f"table {address}: {_format_key(row, by)} is of {row['n']} rows, expected one row "
            f"for each {' and '.join(by)}; ingest-captions leaves one"
        )


def refuse_repeated_or_null_keys(
    rows: DataFrame, by: Sequence[str], table: str, remedy: str
) -> None:
    """Raise InputDataError, naming a key, if rows share a key or its first column is null."""
    columns = [named(name) for name in by]
    is_null = columns[0].isNull()
    counted = (
        rows.groupBy(*columns).agg(F.count("*").alias("_n")).where((F.col("_n") > 1) | is_null)
    )
    row = counted.orderBy(*columns).first()
    if row is None:
        return
    if row[by[0]] is None:
        raise InputDataError(f"table {table}: {by[0]} is null in {row['_n']} rows")
    raise InputDataError(
        f"table {table}: {_format_key(row, by)} is there {row['_n']} times; {remedy}"
    )


def _format_key(row: Row, by: Sequence[str]) -> str:
    return ", ".join(f"{name} {row[name]!r}" for name in by)
