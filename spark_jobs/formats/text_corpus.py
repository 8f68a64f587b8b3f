"""The texts of a corpus for counting n-grams: captions or articles, with their language."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.concepts import corpus
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import CAPTION, LANG
from spark_jobs.formats.caption_input import (
    CaptionInput,
    Captions,
    read_captions,
)
from spark_jobs.ingest.accepted_rows import rejected
from spark_jobs.ingest.normalise import FAULT as ROW_FAULT
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.session_settings import cached


@dataclass(frozen=True)
class LanguageTotal:
    """A language's number of texts, of words, and of distinct words."""

    lang: str
    texts: int
    words: int
    distinct: int


@dataclass(frozen=True)
class CountedWords:
    """Texts (columns lang, text) and the counts of their words, corpus.WORDS.

    `seed`: of the words' hashes, which no two words share.
    """

    texts: DataFrame
    words: DataFrame
    seed: int
    totals: list[LanguageTotal]

    @property
    def totals_frame(self) -> DataFrame:
        """Columns lang and total."""
        rows = [(total.lang, total.words) for total in self.totals]
        return self.words.sparkSession.createDataFrame(rows, f"{LANG} string, {corpus.TOTAL} long")

    @property
    def n_texts(self) -> int:
        """Texts of all languages."""
        return sum(total.texts for total in self.totals)

    @property
    def n_words(self) -> int:
        """Words of all languages."""
        return sum(total.words for total in self.totals)


@contextmanager
def counted_words(
    run: Run, settings: CaptionInput, *, lang: str, by_language: bool
) -> Iterator[tuple[CountedWords, Counts]]:
    """Context in which the words of an input's texts are counted and cached; and rows by fate.

    `lang`: the language of texts that name none, or of all unless `by_language`. Rejected rows are
    stored. Raises InputDataError if there are no words.
    """
    captions = read_captions(run, settings)
    texts = texts_of(captions, lang=lang, by_language=by_language)
    with captions.reading(by_python=True):
        seed = 0
        while True:
            with cached(corpus.word_counts(texts, seed=seed)) as words:
                if corpus.has_shared_hash(words):
                    seed += 1
                    continue
                totals = [LanguageTotal(*row) for row in sorted(_totals(words))]
                counted = CountedWords(texts, words, seed, totals)
                rows_in = captions.source.count()
                reasons = _store_rejected(run, captions, rows_in - counted.n_texts)
                if not counted.n_words:
                    raise InputDataError(_no_words(settings.input, rows_in, reasons))
                counts = {"rows_in": rows_in, "texts": counted.n_texts, "words": counted.n_words}
                yield counted, counts | {"rejected": sum(reasons.values()), **reasons}
                return


def texts_of(captions: Captions, *, lang: str, by_language: bool) -> DataFrame:
    """The sound texts, columns lang and text; those with a null or blank language are of `lang`."""
    rows = captions.rows.where(F.col(ROW_FAULT).isNull())
    has_lang = by_language and LANG in rows.columns
    own = F.when(F.trim(LANG) != "", F.col(LANG)) if has_lang else F.lit(None).cast("string")
    language = F.coalesce(own, F.lit(lang))
    return rows.select(language.alias(LANG), F.col(CAPTION).alias(corpus.TEXT))


def _store_rejected(run: Run, captions: Captions, n_rejected: int) -> Counts:
    """Store the rows with a fault; returns their number for each reason.

    Raises InputDataError if they are not `n_rejected`.
    """
    if not n_rejected:
        return {}
    faulty = captions.rows.where(F.col(ROW_FAULT).isNotNull())
    by_reason = faulty.groupBy(ROW_FAULT).agg(F.count("*").alias("n")).collect()
    reasons = {row[0]: row["n"] for row in sorted(by_reason)}
    if sum(reasons.values()) != n_rejected:
        raise InputDataError("the texts changed while they were read, run again")
    run.write_rejected(rejected(captions.rows, [], run_id=run.run_id, job=run.job), part="texts")
    return reasons


def _totals(words: DataFrame) -> list[tuple[str, int, int, int]]:
    totals = corpus.language_totals(words)
    return [tuple(row) for row in totals.collect()]


def _no_words(address: str, rows_in: int, reasons: Counts) -> str:
    if not rows_in:
        return f"{address}: has no texts"
    why = ", ".join(f"{n:,} {reason}" for reason, n in reasons.items())
    return f"{address}: none of its {rows_in:,} texts has a word" + (f" ({why})" if why else "")
