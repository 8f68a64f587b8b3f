"""Exact de-duplication by caption, url, or both."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.core.columns import free_name, keys, named
from spark_jobs.core.schemas import KEPT

_PARTS = 1 << 16  # of a group, each of which can be another task's


def keep_smallest_uid(captions: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """Of the rows with equal `by` columns keep the one with the smallest uid (then caption_id).

    Strings are equal when their bytes are. A row whose `by` columns are all null equals no other.
    All columns stay. Order: undefined.
    """
    rank = free_name(captions, "_rank")
    # The literal bound lets Spark drop further copies before the shuffle, so that a caption with
    # many copies does not meet one task.
    ranked = captions.withColumn(rank, _rank(captions, _group(captions, by)))
    return ranked.where(named(rank) == 1).drop(rank)


def mark_smallest_uid(captions: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """All rows, with `kept`: whether `keep_smallest_uid` keeps it.

    The copies of a caption are first ranked within parts of them, so that no task gets them all;
    then the first ones of the parts are.
    """
    is_first = free_name(captions, "_is_first")
    group = _group(captions, by)
    part = F.pmod(F.xxhash64(*keys(captions)), F.lit(_PARTS))
    ranked = captions.withColumn(is_first, _rank(captions, [*group, part]) == 1)
    of_part = F.when(~named(is_first), part)
    is_smallest = _rank(captions, [*group, of_part]) == 1
    return ranked.withColumn(KEPT, named(is_first) & is_smallest).drop(is_first)


def _group(captions: DataFrame, by: Sequence[str]) -> list[Column]:
    """What the copies of a row share, a hash first: sorting by it seldom compares the strings."""
    columns = [named(name) for name in by]
    no_key = F.coalesce(*columns).isNull()
    own_key = (F.when(no_key, named(name)) for name in keys(captions))
    return [F.xxhash64(*columns), *columns, *own_key]


def _rank(captions: DataFrame, group: Sequence[Column]) -> Column:
    """A row's place in its group, 1 for the one with the smallest uid."""
    return F.row_number().over(Window.partitionBy(*group).orderBy(*keys(captions)))
