"""The table of entry probabilities: each entry's count, t, keep probability and kept count."""

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.balancing.choose_t import entry_thresholds
from spark_jobs.balancing.counted_entries import CountedEntries
from spark_jobs.balancing.entry_count import name_entries
from spark_jobs.balancing.t_settings import ThresholdSettings
from spark_jobs.core import schemas
from spark_jobs.core.schemas import ENTRY_COUNT, KEEP_PROBABILITY, KEPT_COUNT, LANG, T


def t_column(t: int, settings: ThresholdSettings, counted: CountedEntries) -> Column:
    """Each entry's t, bigint: the same for all, or by language; 1 for an unknown language."""
    if not settings.by_language:
        return F.lit(t).cast("long")
    thresholds = np.asarray(entry_thresholds(settings, counted, settings.tail_fraction)(t))
    lang_t_pairs = [
        F.lit(value)
        for lang in counted.by_language()
        for value in (lang, int(thresholds[counted.languages == lang][0]))
    ]
    return F.coalesce(F.create_map(*lang_t_pairs)[F.col(LANG)], F.lit(1)).cast("long")


def entry_probabilities(entries: DataFrame, kept_counts: DataFrame, *, t: Column) -> DataFrame:
    """schemas.ENTRY_PROBABILITIES, where keep_probability = t / max(entry_count, t).

    `entries`: schemas.ENTRY_COUNTS before balancing. `kept_counts`: entry_id, entry_count after it.
    """
    with_t = entries.withColumn(T, t)
    probability = F.col(T).cast("double") / F.greatest(ENTRY_COUNT, T)
    with_kept_count = name_entries(
        kept_counts, with_t.withColumn(KEEP_PROBABILITY, probability), column=KEPT_COUNT
    )
    return with_kept_count.select(*schemas.ENTRY_PROBABILITIES.names)
