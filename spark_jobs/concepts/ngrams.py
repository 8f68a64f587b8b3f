"""N-grams and titles of a corpus as rows, and why each is in a bank or not."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.concepts.choosing import BIGRAMS, TITLES, UNIGRAMS, UNSPACED, RuleName
from spark_jobs.concepts.corpus import WORD
from spark_jobs.concepts.rule_settings import Thresholds
from spark_jobs.core.schemas import (
    COUNT,
    ENTRY,
    KEPT,
    LANG,
    NGRAM_DECISIONS,
    NGRAMS,
    RULE,
    SCORE,
    SOURCE,
    THRESHOLD,
    VALUE,
)
from udfs.text.bigram_scores import PMI

IN_BANK, BEYOND_LIMIT = "in_bank", "refused_or_beyond_limit"
_BELOW = {UNIGRAMS: "below_min_count", BIGRAMS: "below_min_pmi", TITLES: "below_min_views"}


def unigram_rows(words: DataFrame) -> DataFrame:
    """schemas.NGRAMS of words, corpus.WORDS."""
    of_words = words.where(F.col(WORD).isNotNull())
    return _rows(of_words.withColumn(ENTRY, F.col(WORD)), UNIGRAMS)


def bigram_rows(bigrams: DataFrame, *, rule: RuleName) -> DataFrame:
    """schemas.NGRAMS of bigrams with their words, of corpus.bigram_texts."""
    text = F.concat_ws(" ", "first", "second")
    if rule == "metaclip2":
        is_unspaced = F.array_contains(F.split(F.lit(" ".join(UNSPACED)), " "), F.col(LANG))
        text = F.when(is_unspaced, F.concat("first", "second")).otherwise(text)
    return _rows(bigrams.withColumn(ENTRY, text), BIGRAMS, F.col(PMI))


def title_rows(titles: DataFrame) -> DataFrame:
    """schemas.NGRAMS of titles, lang, entry, count."""
    return _rows(titles, TITLES)


def _rows(rows: DataFrame, source: str, score: Column | None = None) -> DataFrame:
    score = F.lit(None).cast("double") if score is None else score
    return rows.select(
        LANG, ENTRY, F.lit(source).alias(SOURCE), F.col(COUNT), score.alias(SCORE)
    ).select(*NGRAMS.names)


def missing_in(ngrams: DataFrame, entries: DataFrame, *, by_language: bool) -> DataFrame:
    """The n-grams that are no entry of a bank, columns lang and entry."""
    on = [LANG, ENTRY] if by_language else [ENTRY]
    missing = ngrams.join(F.broadcast(entries.select(*on).distinct()), on=on, how="left_anti")
    return missing.select(*NGRAMS.names)


def with_reasons(
    ngrams: DataFrame, entries: DataFrame, thresholds: Thresholds, *, by_language: bool
) -> DataFrame:
    """schemas.NGRAM_DECISIONS: whether each n-gram is an entry of the bank, and by which rule not.

    The rule is in_bank, also for what another source has added; below_min_count, below_min_pmi or
    below_min_views, with value and threshold; or refused_or_beyond_limit.
    """
    on = [LANG, ENTRY] if by_language else [ENTRY]
    known = entries.select(*on).distinct().withColumn(KEPT, F.lit(True))
    joined = ngrams.join(F.broadcast(known), on=on, how="left")
    is_bigram = F.col(SOURCE) == BIGRAMS
    value = F.when(is_bigram, F.col(SCORE)).otherwise(F.col(COUNT).cast("double"))
    limits = {UNIGRAMS: thresholds.min_count, BIGRAMS: thresholds.min_pmi,
              TITLES: thresholds.min_views}  # fmt: skip
    threshold, below = F.lit(None).cast("double"), F.lit(None).cast("string")
    for source, limit in limits.items():
        threshold = F.when(F.col(SOURCE) == source, F.lit(float(limit))).otherwise(threshold)
        below = F.when(F.col(SOURCE) == source, F.lit(_BELOW[source])).otherwise(below)
    is_below = value < threshold
    if thresholds.is_strict:
        is_below = is_below | (is_bigram & (value == threshold))
    kept = F.coalesce(F.col(KEPT), F.lit(False))
    rule = F.when(kept, IN_BANK).when(is_below, below).otherwise(BEYOND_LIMIT)
    return joined.select(
        *NGRAMS.names,
        kept.alias(KEPT),
        rule.alias(RULE),
        value.alias(VALUE),
        threshold.alias(THRESHOLD),
    ).select(*NGRAM_DECISIONS.names)
