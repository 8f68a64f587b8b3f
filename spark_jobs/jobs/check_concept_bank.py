"""check-concept-bank: the share of captions that a bank matches, and the n-grams that it lacks."""

from typing import Literal

from pydantic import Field, PositiveInt
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.concepts import corpus
from spark_jobs.concepts.ngrams import bigram_rows, missing_in, unigram_rows
from spark_jobs.core import schemas
from spark_jobs.core.bank_names import BANK_HELP
from spark_jobs.core.schemas import CAPTION, COUNT, ENTRY, ENTRY_IDS, LANG, UID
from spark_jobs.core.settings import BankAddress, OutputAddress
from spark_jobs.formats.caption_input import CaptionInput
from spark_jobs.formats.concept_matchers import bank_and_rule
from spark_jobs.formats.text_corpus import CountedWords, counted_words
from spark_jobs.matching.match import match_concepts
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run


class CheckConceptBank(CaptionInput):
    """Settings of check-concept-bank."""

    bank: BankAddress = Field(description=BANK_HELP)
    rule: Literal["metaclip", "metaclip2"] = Field(
        "metaclip", description="as in match-concepts; metaclip2: by language"
    )
    lang: str = Field("en", min_length=1, description="of captions that name none")
    min_count: PositiveInt = Field(100, description="of an n-gram to be listed")
    min_pmi: float = Field(
        3.0,
        description="pointwise mutual information of a bigram to be listed, in bits; of words that "
        "merely often meet, such as `of the`, it is about 2",
    )
    output: OutputAddress = Field(
        description="words and bigrams that are no entries, most frequent first"
    )


def run(run: Run, settings: CheckConceptBank) -> Counts:
    """Match the captions, and list the frequent n-grams among them that are no entries."""
    by_language = settings.rule == "metaclip2"
    run.check_outputs({settings.output: schemas.NGRAMS})
    bank, build = bank_and_rule(run, settings.bank, settings.rule)
    with counted_words(run, settings, lang=settings.lang, by_language=by_language) as (
        counted,
        counts,
    ):
        captions = counted.texts.select(
            F.lit("").alias(UID), F.col(corpus.TEXT).alias(CAPTION), LANG
        )
        matches = match_concepts(captions, build(bank.entries))
        has_entry = F.when(F.size(ENTRY_IDS) > 0, F.lit(1))
        matched = matches.agg(F.count(has_entry).alias("n")).collect()[0]["n"]
        ngrams = _frequent_ngrams(counted, settings)
        missing = missing_in(ngrams, bank.frame, by_language=by_language)
        n_missing = run.write(missing.orderBy(F.desc(COUNT), LANG, ENTRY), settings.output)
    unmatched = counted.n_texts - matched
    return counts | {
        "entries": len(bank.entries),
        "matched": matched,
        "unmatched": unmatched,
        "missing": n_missing,
    }


def _frequent_ngrams(counted: CountedWords, settings: CheckConceptBank) -> DataFrame:
    frequent = counted.words.where(F.col(COUNT) >= settings.min_count)
    bigrams = corpus.bigram_counts(
        *(counted.texts, counted.words, counted.totals_frame),
        seed=counted.seed,
        min_pmi=settings.min_pmi,
        min_count=settings.min_count,
        left_out=corpus.too_frequent(counted.words, counted.totals_frame, min_pmi=settings.min_pmi),
    )
    texts = corpus.bigram_texts(bigrams, frequent)
    return unigram_rows(frequent).unionByName(bigram_rows(texts, rule=settings.rule))


JOB = Job(
    "check-concept-bank",
    "Measure how many captions a concept bank matches, and list frequent n-grams that it lacks.",
    CheckConceptBank,
    run,
    arguments=("input",),
    example=(
        "captionlake check-concept-bank my_captions --bank ./bank \\\n  --output ./missing_ngrams"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
