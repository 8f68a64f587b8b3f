"""Read what a report shows of concept banks from the tables that runs wrote."""

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.concepts.choosing import BIGRAMS, UNIGRAMS
from spark_jobs.core.run_records import RunRecord
from spark_jobs.core.schemas import (
    CONCEPT_BANK,
    COUNT,
    ENTRY,
    ENTRY_ID,
    LANG,
    NGRAMS,
    SCORE,
    SOURCE,
)
from spark_jobs.formats.report_tables import read_run_output
from spark_jobs.report.banks import MissingNgram, SourceCount, coverage_blocks, source_blocks
from spark_jobs.report.blocks import Block

_MOST_NGRAMS = 20  # rows of a table


def bank_blocks(spark: SparkSession, run: RunRecord) -> list[Block]:
    """The entries by source of the bank that a run of build-concept-bank wrote."""
    bank = read_run_output(spark, run, "output", CONCEPT_BANK)
    by_source = bank.groupBy(SOURCE).agg(
        F.count("*").alias("entries"), F.sum(COUNT).alias("n"), F.min(ENTRY_ID).alias("first")
    )
    rows = by_source.orderBy("first").collect()
    return source_blocks([SourceCount(r[SOURCE] or "", r["entries"], r["n"]) for r in rows])


def missing_blocks(spark: SparkSession, run: RunRecord) -> list[Block]:
    """The share of captions with a match, and the n-grams that a check found missing."""
    ngrams = read_run_output(spark, run, "output", NGRAMS)
    first = {
        source: [
            MissingNgram(_shown(row[ENTRY], row[LANG], run), row[COUNT], row[SCORE])
            for row in ngrams.where(F.col(SOURCE) == source)
            .orderBy(F.desc(COUNT), LANG, ENTRY)
            .limit(_MOST_NGRAMS)
            .collect()
        ]
        for source in (UNIGRAMS, BIGRAMS)
    }
    texts, matched = run.counts["texts"], run.counts["matched"]
    return coverage_blocks(
        texts=texts, matched=matched, unigrams=first[UNIGRAMS], bigrams=first[BIGRAMS]
    )


def _shown(entry: str, lang: str, run: RunRecord) -> str:
    return f"{entry} ({lang})" if run.settings["rule"] == "metaclip2" else entry
