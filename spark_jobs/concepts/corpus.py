"""Count a corpus' words and bigrams, and score bigrams by pointwise mutual information.

Words travel as rows, since there are few distinct ones. Bigrams travel as arrays of the 64-bit
hashes of their words, which is exact once it is known that no two words share a hash: see
`has_shared_hash`.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BinaryType,
    BooleanType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import COUNT, LANG
from udfs.text.bigram_counts import IS_WORD, PART, ROWS, count_pairs
from udfs.text.bigram_scores import FIRST, PMI, SECOND, join_first, pack_words, score_pairs
from udfs.text.word_counts import count_words

PAPERS = (
    "MetaCLIP, table 1: entries from words of Wikipedia seen 100 times, and bigrams by PMI",
    "MetaCLIP 2, section 3.1: the same per language",
)

WORD, WORD_HASH, TEXT, TOTAL = "word", "word_hash", "text", "total"
WORDS = StructType(
    [
        StructField(LANG, StringType()),
        StructField(WORD, StringType()),
        StructField(WORD_HASH, LongType()),
        StructField(COUNT, LongType()),
    ]
)
BIGRAM_COUNTS = StructType(
    [
        StructField(FIRST, LongType()),
        StructField(SECOND, LongType()),
        StructField(COUNT, LongType()),
        StructField(PMI, DoubleType()),
    ]
)
_PACKED = StructType(
    [
        StructField(PART, IntegerType()),
        StructField(IS_WORD, BooleanType()),
        StructField(ROWS, BinaryType()),
    ]
)
_MOST_LEFT_OUT = 50_000  # hashes that travel with a task


def word_counts(texts: DataFrame, *, seed: int) -> DataFrame:
    """WORDS of texts, columns lang and text without nulls; the word null counts the texts.

    A word's hash depends on its language and the seed.
    """
    partial_counts = map_in_arrow(texts.select(LANG, TEXT), partial(count_words, seed=seed), WORDS)
    counts = partial_counts.groupBy(LANG, WORD).agg(
        F.min(WORD_HASH).alias(WORD_HASH), F.sum(COUNT).alias(COUNT)
    )
    return counts.select(*WORDS.names)


def has_shared_hash(words: DataFrame) -> bool:
    """Whether two words have one hash, once in 10^5 corpora of 10^7 words: take another seed."""
    by_hash = words.where(F.col(WORD).isNotNull()).groupBy(WORD_HASH).agg(F.count("*").alias("n"))
    return bool(by_hash.where(F.col("n") > 1).take(1))


def language_totals(words: DataFrame) -> DataFrame:
    """A row per language: lang, texts, total (words), distinct (words)."""
    is_word = F.col(WORD).isNotNull()
    return words.groupBy(LANG).agg(
        F.coalesce(F.sum(F.when(~is_word, F.col(COUNT))), F.lit(0)).alias("texts"),
        F.coalesce(F.sum(F.when(is_word, F.col(COUNT))), F.lit(0)).alias(TOTAL),
        F.count(F.when(is_word, F.lit(1))).alias("distinct"),
    )


def too_frequent(words: DataFrame, totals: DataFrame, *, min_pmi: float) -> NDArray[np.uint64]:
    """Hashes of words in no bigram that reaches `min_pmi`; of very many the most frequent.

    Since a bigram is no more frequent than its words, its PMI is at most log2(N / n) of each. They
    make up most of a corpus, so that few bigrams are left to count.
    """
    share = F.col(COUNT) / F.col(TOTAL)
    # A hair above the bound, which rounding must not move below a bigram that reaches it.
    frequent = (
        words.where(F.col(WORD).isNotNull())
        .join(F.broadcast(totals.select(LANG, TOTAL)), on=LANG, how="inner")
        .select(WORD_HASH, share.alias("share"))
        .where(F.col("share") > 2.0**-min_pmi * (1 + 1e-9))
        .orderBy(F.desc("share"), WORD_HASH)
        .limit(_MOST_LEFT_OUT)
    )
    return frequent.select(WORD_HASH).toPandas()[WORD_HASH].to_numpy(np.int64).view(np.uint64)


def bigram_counts(
    texts: DataFrame,
    words: DataFrame,
    totals: DataFrame,
    *,
    seed: int,
    min_pmi: float,
    strict: bool = False,
    min_count: int = 1,
    keep_all: bool = False,
    left_out: NDArray[np.uint64],
) -> DataFrame:
    """BIGRAM_COUNTS of texts seen `min_count` times with a PMI of `min_pmi`, or above if strict.

    PMI = log2(n12 N) - log2(n1 n2), with the counts of the bigram and its words, and the number N
    of words of their language (Xu et al. 2023). `words`: of the same texts and seed. `left_out`:
    hashes of words whose bigrams are not counted. `keep_all`: bigrams that reach neither too, with
    the PMI that decides about them.
    """
    pairs = map_in_arrow(
        texts.select(LANG, TEXT), partial(count_pairs, seed=seed, left_out=left_out), _PACKED
    )
    of_words = (
        words.where(F.col(WORD).isNotNull())
        .join(F.broadcast(totals.select(LANG, TOTAL)), on=LANG, how="inner")
        .select(WORD_HASH, COUNT, TOTAL)
    )
    packed_words = map_in_arrow(of_words, pack_words, _PACKED)
    with_first = map_in_arrow(_by_part(pairs, packed_words), join_first, _PACKED)
    score = partial(
        score_pairs, min_pmi=min_pmi, strict=strict, min_count=min_count, keep_all=keep_all
    )
    return map_in_arrow(_by_part(with_first, packed_words), score, BIGRAM_COUNTS)


def bigram_texts(bigrams: DataFrame, words: DataFrame) -> DataFrame:
    """BIGRAM_COUNTS with lang, first and second, the words, in place of the hashes."""
    names = words.where(F.col(WORD).isNotNull())
    firsts = names.select(F.col(WORD_HASH).alias(FIRST), F.col(WORD).alias("first"), LANG)
    seconds = names.select(F.col(WORD_HASH).alias(SECOND), F.col(WORD).alias("second"))
    named = bigrams.join(firsts, on=FIRST, how="inner").join(seconds, on=SECOND, how="inner")
    return named.select(LANG, "first", "second", COUNT, PMI)


def _by_part(pairs: DataFrame, words: DataFrame) -> DataFrame:
    return pairs.unionByName(words).repartition(PART).sortWithinPartitions(PART)
