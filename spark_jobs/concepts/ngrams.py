"""N-grams and titles of a corpus as rows, and why each is in a bank or not."""

import string

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.concepts.choosing import BIGRAMS, LONGEST, TITLES, UNIGRAMS, UNSPACED, RuleName
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
from udfs.text.code_points import N_CODE_POINTS
from udfs.text.metaclip2_match import PUNCTUATION

IN_BANK, BEYOND_LIMIT, NO_LANGUAGE = "in_bank", "beyond_limit", "language_not_in_bank"
BELOW_COUNT, BELOW_PMI, BELOW_VIEWS = "below_min_count", "below_min_pmi", "below_min_views"
_TEXT, _HAS_LANG = "_text", "_has_lang"


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
    ngrams: DataFrame, entries: DataFrame, thresholds: Thresholds, *, rule: RuleName
) -> DataFrame:
    """schemas.NGRAM_DECISIONS: whether each n-gram is an entry of the bank, and by which rule not.

    The rule is in_bank, also for what another source has added; below_min_count, below_min_pmi or
    below_min_views, with value and threshold; empty, punctuation or too_long, as by
    choosing.refusal; language_not_in_bank, of titles; or beyond_limit.
    """
    text = _stripped(F.col(ENTRY)) if rule == "metaclip2" else F.col(ENTRY)
    on = [LANG, _TEXT] if rule == "metaclip2" else [_TEXT]
    in_bank = entries.select(LANG, F.col(ENTRY).alias(_TEXT), F.lit(True).alias(KEPT))
    joined = ngrams.withColumn(_TEXT, text).join(
        F.broadcast(in_bank.select(*on, KEPT).distinct()), on=on, how="left"
    )
    langs = entries.select(LANG, F.lit(True).alias(_HAS_LANG)).distinct()
    joined = joined.join(F.broadcast(langs), on=LANG, how="left")
    below, value, threshold = _below(thresholds)
    has_lang = F.col(_HAS_LANG).isNotNull() if rule == "metaclip2" else F.lit(True)
    kept = F.coalesce(F.col(KEPT), F.lit(False))
    reason = (
        F.when(kept, IN_BANK)
        .when(below.isNotNull(), below)
        .otherwise(
            F.coalesce(
                refusal_column(F.col(_TEXT), rule),
                F.when(has_lang, BEYOND_LIMIT).otherwise(NO_LANGUAGE),
            )
        )
    )
    return joined.select(
        *NGRAMS.names,
        kept.alias(KEPT),
        reason.alias(RULE),
        value.alias(VALUE),
        threshold.alias(THRESHOLD),
    ).select(*NGRAM_DECISIONS.names)


def _below(thresholds: Thresholds) -> tuple[Column, Column, Column]:
    """(the threshold that an n-gram does not reach, else null; what was compared; with what)."""
    count, score = F.col(COUNT).cast("double"), F.col(SCORE)
    too_low = score < thresholds.min_pmi
    if thresholds.is_strict:
        too_low = score <= thresholds.min_pmi
    is_bigram = F.col(SOURCE) == BIGRAMS
    is_rare = is_bigram & (count < thresholds.min_bigram_count)
    minimum = F.when(F.col(SOURCE) == UNIGRAMS, float(thresholds.min_count)).when(
        F.col(SOURCE) == TITLES, float(thresholds.min_views)
    )
    below = (
        F.when(is_rare, BELOW_COUNT)
        .when(is_bigram & too_low, BELOW_PMI)
        .when((F.col(SOURCE) == UNIGRAMS) & (count < minimum), BELOW_COUNT)
        .when((F.col(SOURCE) == TITLES) & (count < minimum), BELOW_VIEWS)
    )
    value = F.when(is_bigram & ~is_rare, score).otherwise(count)
    threshold = (
        F.when(is_rare, float(thresholds.min_bigram_count))
        .when(is_bigram, thresholds.min_pmi)
        .otherwise(minimum)
    )
    return below, value, threshold


def refusal_column(text: Column, rule: RuleName) -> Column:
    """choosing.refusal of texts of counted sources."""
    marks = string.punctuation if rule == "metaclip" else PUNCTUATION
    is_punctuation = F.translate(text, marks, "") == ""
    if rule == "metaclip":
        is_punctuation = is_punctuation & (F.length(text) == 1)
    is_too_long = F.lit(rule == "metaclip2") & (F.length(text) > LONGEST)
    return (
        F.when(text == "", "empty")
        .when(is_punctuation, "punctuation")
        .when(is_too_long, "too_long")
    )


def _stripped(text: Column) -> Column:
    """Python's str.strip, whose white space is more than that of Spark's trim."""
    spaces = "".join(chr(code) for code in range(N_CODE_POINTS) if chr(code).isspace())
    return F.btrim(text, F.lit(spaces))
