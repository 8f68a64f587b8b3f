"""Exact de-duplication by caption, url, or both."""

from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.columns import keys
from spark_jobs.schemas import KEPT

_RANK = "_rank"


def keep_smallest_uid(captions: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """Of the rows with equal `by` columns keep the one with the smallest uid (then caption_id).

    Strings are equal when their bytes are. A row whose `by` columns are all null equals no other.
    All columns stay. Order: undefined.
    """
    # The literal bound lets Spark drop further copies before the shuffle, so that a caption with
    # many copies does not meet one task.
    return _ranked(captions, by).where(F.col(_RANK) == 1).drop(_RANK)


def mark_smallest_uid(captions: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """All rows, with `kept`: whether `keep_smallest_uid` keeps it."""
    return _ranked(captions, by).withColumn(KEPT, F.col(_RANK) == 1).drop(_RANK)


def _ranked(captions: DataFrame, by: Sequence[str]) -> DataFrame:
    key = keys(captions)
    no_key = F.coalesce(*by).isNull()
    group = Window.partitionBy(*by, *(F.when(no_key, F.col(name)) for name in key)).orderBy(*key)
    return captions.withColumn(_RANK, F.row_number().over(group))
