"""Entry counts: how many captions match each entry."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.schemas import COUNTED_IDS, ENTRY_COUNT, ENTRY_ID, ENTRY_IDS
from udfs.balancing import count_in_task


def count_matches(matches: DataFrame) -> DataFrame:
    """Rows of `matches` that hold each entry id: entry_id, entry_count, only ids that occur.

    Each task counts into one vector and gives one sparse result, so that the ids are never
    exploded into rows.
    """
    counted = matches.select(ENTRY_IDS).mapInArrow(count_in_task, COUNTED_IDS)
    return counted.groupBy(ENTRY_ID).agg(F.sum(ENTRY_COUNT).alias(ENTRY_COUNT))


def name_entries(counts: DataFrame, bank: DataFrame, *, column: str = ENTRY_COUNT) -> DataFrame:
    """A row for each entry of the bank, `column` 0 where it was not counted, by entry_id."""
    named = bank.join(counts.withColumnRenamed(ENTRY_COUNT, column), on=ENTRY_ID, how="left")
    return named.withColumn(column, F.coalesce(column, F.lit(0).cast("long"))).orderBy(ENTRY_ID)
