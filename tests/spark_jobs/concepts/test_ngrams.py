"""Why an n-gram of a corpus is in a bank or not."""

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.concepts.choosing import RuleName, refusal
from spark_jobs.concepts.ngrams import refusal_column, with_reasons
from spark_jobs.concepts.rule_settings import EntryRules
from spark_jobs.core import schemas


@pytest.mark.parametrize("rule", ["metaclip", "metaclip2"])
def test_refusals_are_those_of_the_rule(spark: SparkSession, rule: RuleName) -> None:
    texts = ["", "!", "\\", "]", "!!", "，。", "…", "a!", "cat", "é" * 256, "é" * 257, "😀" * 256]
    rows = spark.createDataFrame([(text,) for text in texts], "text string").coalesce(1)
    found = [row[0] for row in rows.select(refusal_column(F.col("text"), rule)).collect()]
    assert found == [refusal(text, rule, is_counted=True) for text in texts]


def test_each_reason_stands_by_itself(spark: SparkSession) -> None:
    rules = EntryRules(rule="metaclip2", min_count=2, min_pmi=5, min_bigram_count=2, workspace="/x")
    expected = [
        ("en", "dog", "unigrams", 9, None, "in_bank", 9, 2),
        ("en", "rare", "unigrams", 1, None, "below_min_count", 1, 2),
        ("en", "x" * 257, "unigrams", 9, None, "too_long", 9, 2),
        ("en", "mule", "unigrams", 2, None, "beyond_limit", 2, 2),
        ("en", "red kite", "bigrams", 2, 5.5, "in_bank", 5.5, 5),
        ("en", "a dog", "bigrams", 9, 5.0, "below_min_pmi", 5, 5),
        ("en", "old kite", "bigrams", 1, 9.0, "below_min_count", 1, 2),
        ("en", "\u3000dog ", "titles", 3, None, "in_bank", 3, 1),
        ("en", " ", "titles", 3, None, "empty", 3, 1),
        ("en", "!?", "titles", 3, None, "punctuation", 3, 1),
        ("fr", "chien", "titles", 3, None, "language_not_in_bank", 3, 1),
    ]
    ngrams = spark.createDataFrame([row[:5] for row in expected], schemas.NGRAMS)
    bank = spark.createDataFrame([("en", "dog"), ("en", "red kite")], "lang string, entry string")
    decided = with_reasons(ngrams, bank, rules.thresholds(), rule="metaclip2").collect()
    found = [tuple(row[name] for name in (*schemas.NGRAMS.names, "rule", "value", "threshold"))
             for row in decided]  # fmt: skip
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert {row["entry"] for row in decided if row["kept"]} == {"dog", "red kite", "\u3000dog "}
