"""Column expressions that several jobs share."""

from pyspark.sql import Column
from pyspark.sql import functions as F


def uniform(*keys: str, seed: int) -> Column:
    """Draw in [0, 1) fixed by the key columns and the seed, whatever the partitioning."""
    hashed = F.xxhash64(*keys, F.lit(seed).cast("long"))
    return F.shiftrightunsigned(hashed, 11) / F.lit(2.0**53)
