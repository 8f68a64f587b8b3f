"""Compare two subsets: which rows are in both or only one, by concept and by class."""

from functools import partial

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, LongType, StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import named
from spark_jobs.core.schemas import (
    CLASS,
    ENTRY,
    ENTRY_COUNT,
    ENTRY_ID,
    ENTRY_IDS,
    IN_A,
    IN_B,
    IN_BOTH,
    NAME,
    UID,
)
from udfs.side_counts import count_entries_by_side

SIDE, BOTH, ONLY_A, ONLY_B = "side", "both", "only_a", "only_b"

_COUNTED = StructType(
    [
        StructField(SIDE, StringType()),
        StructField(ENTRY_ID, IntegerType()),
        StructField(ENTRY_COUNT, LongType()),
    ]
)


def sides(a: DataFrame, b: DataFrame, *, by: str | None = None) -> DataFrame:
    """The distinct uids of both subsets with their side: both, only_a or only_b.

    With `by` a row per uid and value of that column, as `class`: a uid whose class differs is in
    only_a with one class and in only_b with the other.
    """
    key = [F.col(UID)] if by is None else [F.col(UID), named(by).alias(CLASS)]
    a_keys, b_keys = (rows.select(*key).distinct() for rows in (a, b))
    flagged = a_keys.withColumn(SIDE, F.lit(1)).unionByName(b_keys.withColumn(SIDE, F.lit(2)))
    flag_sums = flagged.groupBy(*a_keys.columns).agg(F.sum(SIDE).alias(SIDE))
    side_names = F.array(*map(F.lit, (ONLY_A, ONLY_B, BOTH)))  # by sum of flags: 1, 2, 3
    return flag_sums.withColumn(SIDE, F.get(side_names, F.col(SIDE).cast("int") - 1))


def by_column(a: DataFrame, b: DataFrame, *, column: str) -> DataFrame:
    """Rows of both subsets per value of a column, such as wnid: schemas.DIFFERENCE."""
    counts = sides(a, b, by=column).groupBy(CLASS, SIDE).agg(F.count("*").alias(ENTRY_COUNT))
    counts = counts.withColumn(NAME, F.col(CLASS).cast("string"))
    return _count_columns(counts.withColumn(ENTRY_ID, F.lit(None).cast("int")))


def by_concept(uid_sides: DataFrame, matches: DataFrame, entries: DataFrame) -> DataFrame:
    """Captions of both subsets per entry that any of them matches: schemas.DIFFERENCE.

    `uid_sides`: uid, side. `matches`: schemas.MATCHES. `entries`: entry_id, entry. Ids are counted
    within tasks, never exploded into rows.
    """
    matches_by_side = matches.join(uid_sides, on=UID, how="inner").select(SIDE, ENTRY_IDS)
    count = partial(count_entries_by_side, sides=(BOTH, ONLY_A, ONLY_B), names=_COUNTED.names)
    counts = map_in_arrow(matches_by_side, count, _COUNTED).join(
        entries.select(ENTRY_ID, ENTRY), on=ENTRY_ID, how="left"
    )
    return _count_columns(counts.withColumnRenamed(ENTRY, NAME))


def _count_columns(counts: DataFrame) -> DataFrame:
    """One row per entry_id and name, with the counts of all sides as columns."""

    def count_of(*side_names: str) -> Column:
        is_side = F.col(SIDE).isin(*side_names)
        return F.coalesce(F.sum(F.when(is_side, F.col(ENTRY_COUNT))), F.lit(0)).cast("long")

    return counts.groupBy(ENTRY_ID, NAME).agg(
        count_of(BOTH, ONLY_A).alias(IN_A),
        count_of(BOTH, ONLY_B).alias(IN_B),
        count_of(BOTH).alias(IN_BOTH),
    )
