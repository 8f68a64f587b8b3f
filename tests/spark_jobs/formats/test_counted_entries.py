"""What a corpus offers as entries, within what the driver can hold."""

import math
from types import SimpleNamespace

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.concepts import corpus
from spark_jobs.concepts.rule_settings import EntryRules
from spark_jobs.core.errors import InputDataError
from spark_jobs.formats import counted_entries
from spark_jobs.formats.counted_entries import all_bigrams, bigram_candidates, within_limits
from spark_jobs.formats.text_corpus import CountedWords, LanguageTotal, texts_of
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
    # The ties of the last within a limit are too many as well.
    with pytest.raises(InputDataError, match=r"5 titles .* more than the 4 .* min_views"):
        within_limits(rows, F.col("n"), {"en": 1}, lambda lang: 0, source="titles")


def test_a_blank_language_is_none(spark: SparkSession) -> None:
    rows = [("de", "a"), ("", "b"), (" ", "c"), (None, "d")]
    frame = spark.createDataFrame(rows, "lang string, caption string")
    captions = SimpleNamespace(rows=frame.withColumn(FAULT, F.lit(None).cast("string")))
    texts = texts_of(captions, lang="en", by_language=True).collect()  # type: ignore[arg-type]
    assert sorted(map(tuple, texts)) == [("de", "a"), ("en", "b"), ("en", "c"), ("en", "d")]


@pytest.mark.slow
def test_bigrams_are_computed_once_and_scored_alike(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of 56 words, the PMI of `a b` is log2(1 * 56) - log2(1 * 7), which comes out below 3.
    lines = ["a b", *["b"] * 6, "k l", "k l", *["c"] * 43, "m"]
    texts = spark.createDataFrame(
        [("en", line) for line in lines], "lang string, text string"
    ).coalesce(1)
    words = corpus.word_counts(texts, seed=0)
    rules = EntryRules(rule="metaclip2", min_pmi=2, min_bigram_count=2, workspace="/x")
    counted = CountedWords(texts, words, 0, [LanguageTotal("en", len(lines), 56, 6)])
    is_cached = []

    def limited(rows: DataFrame, *args: object, **settings: object) -> DataFrame:
        is_cached.append(rows.storageLevel.useMemory)
        return within_limits(rows, *args, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(counted_entries, "within_limits", limited)
    found, _ = bigram_candidates(counted, rules.thresholds(), "metaclip2", lambda lang: 0)
    assert is_cached == [True]  # both its histogram and its rows are read
    assert [(bigram.entry, bigram.count) for bigram in found["en"]] == [("k l", 2)]
    at_3 = EntryRules(min_pmi=3, workspace="/x").thresholds()
    scores = {row["first"]: row["pmi"] for row in all_bigrams(counted, at_3).collect()}
    assert scores == {"a": math.log2(56) - math.log2(7), "k": math.log2(112) - math.log2(4)}
    assert scores["a"] < 3
