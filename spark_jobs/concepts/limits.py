"""Cut a table of counts down to what can be among the most frequent of each language."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.schemas import LANG


def highest_of_each_language(
    rows: DataFrame, value: Column, limits: Mapping[str, int]
) -> DataFrame:
    """The rows among which are the `limits[lang]` of the highest value in each language.

    All of the lowest value that is needed are there, so that ties can be settled later. `value`: a
    whole number. Nothing is sorted: a histogram of the values tells where to cut.
    """
    valued = rows.withColumn("_value", value)
    histogram = valued.groupBy(LANG, "_value").agg(F.count("*").alias("n")).toPandas()
    cutoffs = [
        (lang, _cutoff(of_lang, limits.get(str(lang), 0)))
        for lang, of_lang in histogram.groupby(LANG)
    ]
    cuts = rows.sparkSession.createDataFrame(cutoffs, f"{LANG} string, _cutoff long")
    with_cutoff = valued.join(F.broadcast(cuts), on=LANG, how="inner")
    kept = with_cutoff.where(F.col("_value") >= F.col("_cutoff"))
    return kept.select(*rows.columns)


def _cutoff(histogram: pd.DataFrame, limit: int) -> int:
    """The lowest value that has to be kept so that at least `limit` rows are, or all."""
    descending = histogram.sort_values("_value", ascending=False)
    enough = np.flatnonzero(descending["n"].cumsum().to_numpy() >= limit)
    place = enough[0] if enough.size else len(descending) - 1
    return int(descending["_value"].iloc[place])
