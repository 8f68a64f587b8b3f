"""Exact de-duplication of captions by caption, url, or both."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.core.columns import free_name, keys, named
from spark_jobs.core.schemas import KEPT

_N_GROUP_PARTS = 1 << 16  # parts that a group is divided into, so that several tasks rank it


def keep_smallest_uid(captions: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """Keep the row with the smallest uid (then caption_id) of each group with equal `by` columns.

    Strings are equal if their bytes are. A row whose `by` columns are all null is a group of its
    own. All columns stay. Order: undefined.
    """
    rank = free_name(captions, "_rank")
    # The literal bound lets Spark drop further copies before the shuffle, so that a caption with
    # many copies does not overload one task.
    ranked = captions.withColumn(rank, _rank(captions, _group_columns(captions, by)))
    return ranked.where(named(rank) == 1).drop(rank)


def mark_smallest_uid(captions: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """Add the column `kept` to all rows: whether `keep_smallest_uid` keeps the row.

    Ranks the rows of a group first within parts, then the first rows of the parts, so that no task
    gets all rows of a large group.
    """
    is_first = free_name(captions, "_is_first")
    group = _group_columns(captions, by)
    part = F.pmod(F.xxhash64(*keys(captions)), F.lit(_N_GROUP_PARTS))
    ranked = captions.withColumn(is_first, _rank(captions, [*group, part]) == 1)
    # Null for the first rows of all parts, which are thus ranked together.
    part_of_later_rows = F.when(~named(is_first), part)
    is_smallest = _rank(captions, [*group, part_of_later_rows]) == 1
    return ranked.withColumn(KEPT, named(is_first) & is_smallest).drop(is_first)


def _group_columns(captions: DataFrame, by: Sequence[str]) -> list[Column]:
    """Columns that the rows of a group share.

    A hash comes first, so that sorting seldom compares the strings. The last ones are null, or the
    key of a row whose `by` columns are all null.
    """
    columns = [named(name) for name in by]
    all_null = F.coalesce(*columns).isNull()
    key_if_all_null = (F.when(all_null, named(name)) for name in keys(captions))
    return [F.xxhash64(*columns), *columns, *key_if_all_null]


def _rank(captions: DataFrame, group: Sequence[Column]) -> Column:
    """Rank of a row in its group, 1 for the smallest uid."""
    return F.row_number().over(Window.partitionBy(*group).orderBy(*keys(captions)))
