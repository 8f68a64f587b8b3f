"""What a corpus and page views offer as entries of a bank: candidates on the driver, in order."""

import logging
import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.concepts import corpus
from spark_jobs.concepts.choosing import (
    BIGRAMS,
    TITLES,
    UNIGRAMS,
    Candidate,
    RuleName,
    bigram_text,
)
from spark_jobs.concepts.limits import highest_of_each_language
from spark_jobs.concepts.rule_settings import Thresholds
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import COUNT, ENTRY, LANG
from spark_jobs.formats.text_corpus import CountedWords
from spark_jobs.storage.session_settings import cached
from udfs.text.bigram_scores import PMI

_log = logging.getLogger(__name__)

Candidates: TypeAlias = dict[str, list[Candidate]]  # by language
_MOST_CANDIDATES = 5_000_000  # of a source without limits; a published bank has 500,000 entries
_REMEDY = {
    UNIGRAMS: "min_count",
    BIGRAMS: "min_pmi or min_bigram_count",
    TITLES: "min_views or min_hour_views",
}
_PMI_STEPS = 1000  # of the histogram of PMI, in a bit


def unigram_candidates(
    counted: CountedWords, thresholds: Thresholds, margin: Callable[[str], int]
) -> tuple[Candidates, dict[str, int | None]]:
    """Words of each language that reach the threshold, most frequent first; and the limits.

    `margin`: how many entries a language may have before, which do not count towards the limit.
    """
    limits = {total.lang: thresholds.limit(UNIGRAMS, total.distinct) for total in counted.totals}
    words = counted.words.where(
        F.col(corpus.WORD).isNotNull() & (F.col(COUNT) >= thresholds.min_count)
    )
    words = within_limits(words, F.col(COUNT), limits, margin, source=UNIGRAMS)
    rows = words.select(LANG, F.col(corpus.WORD).alias(ENTRY), COUNT).toPandas()
    return candidates_by_language(rows.assign(score=np.nan), order=COUNT), limits


def bigram_candidates(
    counted: CountedWords, thresholds: Thresholds, rule: RuleName, margin: Callable[[str], int]
) -> tuple[Candidates, dict[str, int | None]]:
    """Bigrams of each language that reach the threshold, highest PMI first; and the limits."""
    limits = {total.lang: thresholds.limit(BIGRAMS, 0) for total in counted.totals}
    if not _can_be_reached(counted, thresholds):
        return {}, limits
    bigrams = corpus.bigram_counts(
        *(counted.texts, counted.words, counted.totals_frame),
        seed=counted.seed,
        min_pmi=thresholds.min_pmi,
        strict=thresholds.is_strict,
        min_count=thresholds.min_bigram_count,
        left_out=corpus.too_frequent(
            counted.words, counted.totals_frame, min_pmi=thresholds.min_pmi
        ),
    )
    step = F.floor(F.col(PMI) * _PMI_STEPS).cast("long")
    with cached(corpus.bigram_texts(bigrams, counted.words)) as texts:
        rows = within_limits(texts, step, limits, margin, source=BIGRAMS).toPandas()
    rows[ENTRY] = [
        bigram_text(first, second, lang, rule)
        for first, second, lang in zip(rows["first"], rows["second"], rows[LANG], strict=True)
    ]
    return candidates_by_language(rows.rename(columns={PMI: "score"}), order="score"), limits


def all_bigrams(counted: CountedWords, thresholds: Thresholds) -> DataFrame:
    """All bigrams of the texts with their words, as corpus.bigram_texts gives them.

    The PMI is the one that `bigram_candidates` compares with the threshold.
    """
    bigrams = corpus.bigram_counts(
        *(counted.texts, counted.words, counted.totals_frame),
        seed=counted.seed,
        min_pmi=thresholds.min_pmi,
        keep_all=True,
        left_out=np.zeros(0, np.uint64),
    )
    return corpus.bigram_texts(bigrams, counted.words)


def title_candidates(
    titles: DataFrame, thresholds: Thresholds, margin: Callable[[str], int]
) -> tuple[Candidates, dict[str, int | None]]:
    """Titles of each language that reach the threshold, most viewed first; and the limits."""
    n_titles = titles.groupBy(LANG).agg(F.count("*").alias("n")).collect()
    limits = {row[LANG]: thresholds.limit(TITLES, row["n"]) for row in n_titles}
    viewed = titles.where(F.col(COUNT) >= thresholds.min_views)
    rows = within_limits(viewed, F.col(COUNT), limits, margin, source=TITLES).toPandas()
    return candidates_by_language(rows.assign(score=np.nan), order=COUNT), limits


def within_limits(
    rows: DataFrame,
    value: Column,
    limits: Mapping[str, int | None],
    margin: Callable[[str], int],
    *,
    source: str,
) -> DataFrame:
    """The rows that can be within their language's limit; all, if there are no limits.

    Raises InputDataError if they are more than the driver takes: what limits let in, and of
    `source` _MOST_CANDIDATES without a limit, or with the same value as the last within it.
    """
    most = {lang: limit + margin(lang) for lang, limit in limits.items() if limit is not None}
    kept = highest_of_each_language(rows, value, most) if most else rows
    allowed = _MOST_CANDIDATES + sum(min(limit, _MOST_CANDIDATES) for limit in most.values())
    n_candidates = count_rows(kept)
    if n_candidates > allowed:
        raise InputDataError(
            f"{n_candidates:,} {source} may become entries, more than the {allowed:,} that the "
            f"driver takes; raise {_REMEDY[source]}"
        )
    return kept


def candidates_by_language(rows: pd.DataFrame, *, order: str) -> Candidates:
    """Candidates by language, the highest value of the column `order` first, then by text.

    rows: columns lang, entry, count, score, the last nan where there is none.
    """
    candidates: Candidates = {}
    ordered = rows.sort_values([order, ENTRY], ascending=[False, True], kind="stable")
    columns = (ordered[name].tolist() for name in (LANG, ENTRY, COUNT, "score"))
    for lang, entry, count, score in zip(*columns, strict=True):
        offered = Candidate(entry, count, None if math.isnan(score) else score)
        candidates.setdefault(lang, []).append(offered)
    return candidates


def _can_be_reached(counted: CountedWords, thresholds: Thresholds) -> bool:
    """Whether a bigram can have a PMI of min_pmi, which is log2 of the number of words at most."""
    highest = math.log2(max(total.words for total in counted.totals) or 1)
    if highest >= thresholds.min_pmi:
        return True
    _log.warning(
        "no bigram of %s words can have a PMI of %g: the highest possible is %.1f; set min_pmi",
        f"{max(total.words for total in counted.totals):,}",
        thresholds.min_pmi,
        highest,
    )
    return False
