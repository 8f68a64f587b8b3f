"""Exact de-duplication by caption, url, or both."""

from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.schemas import UID

_RANK = "_rank"


def keep_smallest_uid(captions: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """Of the rows with equal `by` columns keep the one with the smallest uid.

    Strings are equal when their bytes are. A row whose `by` columns are all null equals no other.
    All columns stay. Order: undefined.
    """
    # The literal bound lets Spark drop further copies before the shuffle, so that a caption with
    # many copies does not meet one task.
    no_key = F.coalesce(*by).isNull()
    group = Window.partitionBy(*by, F.when(no_key, F.col(UID))).orderBy(UID)
    ranked = captions.withColumn(_RANK, F.row_number().over(group))
    return ranked.where(F.col(_RANK) == 1).drop(_RANK)
