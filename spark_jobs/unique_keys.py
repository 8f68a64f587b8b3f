"""Whether a table has one row for each key."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.columns import keys
from spark_jobs.errors import InputDataError
from spark_jobs.id_counts import repeated

_FEW = 1000


def refuse_repeated_keys(rows: DataFrame, address: str) -> None:
    """Raise InputDataError, which names one, where a key is that of several rows.

    Joined by such a key, rows would be multiplied. Costs a pass over the key's columns.
    """
    by = keys(rows)
    hashed = F.xxhash64(*by)
    # Two keys may share a hash, so that those of repeated hashes are counted themselves.
    hashes = [row[0] for row in repeated(rows, hashed.alias("hash")).limit(_FEW).collect()]
    if not hashes:
        return
    counted = rows.where(hashed.isin(hashes)).groupBy(*by).agg(F.count(F.lit(1)).alias("n"))
    row = counted.where("n > 1").orderBy(*by).first()
    if row is not None:
        key = ", ".join(f"{name} {row[name]!r}" for name in by)
        raise InputDataError(
            f"table {address}: {key} is of {row['n']} rows, expected one row for each "
            f"{' and '.join(by)}; ingest-captions leaves one"
        )
