"""Exact de-duplication by caption, url, or both."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.columns import free_name, keys, named
from spark_jobs.schemas import KEPT


def keep_smallest_uid(captions: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """Of the rows with equal `by` columns keep the one with the smallest uid (then caption_id).

    Strings are equal when their bytes are. A row whose `by` columns are all null equals no other.
    All columns stay. Order: undefined.
    """
    rank = free_name(captions, "_rank")
    # The literal bound lets Spark drop further copies before the shuffle, so that a caption with
    # many copies does not meet one task.
    return captions.withColumn(rank, _rank(captions, by)).where(named(rank) == 1).drop(rank)


def mark_smallest_uid(captions: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """All rows, with `kept`: whether `keep_smallest_uid` keeps it."""
    return captions.withColumn(KEPT, _rank(captions, by) == 1)


def _rank(captions: DataFrame, by: Sequence[str]) -> Column:
    """A row's place among its copies, 1 for the one with the smallest uid."""
    key = keys(captions)
    columns = [named(name) for name in by]
    no_key = F.coalesce(*columns).isNull()
    group = Window.partitionBy(*columns, *(F.when(no_key, named(name)) for name in key))
    return F.row_number().over(group.orderBy(*key))
