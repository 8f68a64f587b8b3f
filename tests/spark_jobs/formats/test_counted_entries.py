"""What a corpus offers as entries, within what the driver can hold."""

from types import SimpleNamespace

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.core.errors import InputDataError
from spark_jobs.formats import counted_entries
from spark_jobs.formats.counted_entries import within_limits
from spark_jobs.formats.text_corpus import texts_of
from spark_jobs.ingest.normalise import FAULT


def test_too_many_candidates_for_the_driver_are_one_line(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted_entries, "_MOST_CANDIDATES", 3)
    rows = spark.createDataFrame([("en", 1)] * 5, "lang string, n long")
    few = within_limits(rows.limit(3), F.col("n"), {"en": None}, lambda lang: 0, source="bigrams")
    assert len(few.collect()) == 3
    message = "5 bigrams may become entries, more than the 3 .* min_pmi or min_bigram_count"
    with pytest.raises(InputDataError, match=message):
        within_limits(rows, F.col("n"), {"en": None}, lambda lang: 0, source="bigrams")
    # Of those within a limit, only its ties are too many.
    assert within_limits(rows, F.col("n"), {"en": 2}, lambda lang: 0, source="bigrams")
    with pytest.raises(InputDataError, match=r"5 titles .* more than the 4 .* min_views"):
        within_limits(rows, F.col("n"), {"en": 1}, lambda lang: 0, source="titles")


def test_a_blank_language_is_none(spark: SparkSession) -> None:
    rows = [("de", "a"), ("", "b"), (" ", "c"), (None, "d")]
    frame = spark.createDataFrame(rows, "lang string, caption string")
    captions = SimpleNamespace(rows=frame.withColumn(FAULT, F.lit(None).cast("string")))
    texts = texts_of(captions, lang="en", by_language=True).collect()  # type: ignore[arg-type]
    assert sorted(map(tuple, texts)) == [("de", "a"), ("en", "b"), ("en", "c"), ("en", "d")]
