"""match-concepts: which entries of a concept bank occur in each caption."""

from typing import Literal

from pydantic import Field
from pyspark.sql import functions as F

from spark_jobs import schemas
from spark_jobs.balancing.entry_count import count_matches, name_entries
from spark_jobs.bank_reading import read_bank
from spark_jobs.job import Counts, Job, Run
from spark_jobs.matching.match import match_concepts
from spark_jobs.schemas import ENTRY_IDS
from spark_jobs.settings import InputAddress, OutputAddress, Settings
from udfs.text.token_trie import build_token_trie


class MatchConcepts(Settings):
    """Settings of match-concepts."""

    captions: InputAddress = Field(description="table of captions, with uid and caption")
    bank: InputAddress = Field(description="concept bank: a table, metadata.json or .txt file")
    rule: Literal["metaclip"] = Field("metaclip", description="when an entry matches")
    duplicates: Literal["all", "last"] = Field(
        "all", description="ids reported for identical entries: all (MetaCLIP) or its automaton's"
    )
    output: OutputAddress = Field(description="matches, a row per caption")
    entry_counts: OutputAddress | None = Field(None, description="captions per entry")


def run(run: Run, settings: MatchConcepts) -> Counts:
    """Match, then count from the stored matches."""
    captions = run.read(settings.captions, schemas.CAPTIONS)
    bank = read_bank(run, settings.bank)
    trie = build_token_trie(bank.entries, duplicates=settings.duplicates)
    found = match_concepts(captions, trie)
    outputs = {settings.output: found.schema}
    if settings.entry_counts is not None:
        outputs[settings.entry_counts] = schemas.ENTRY_COUNTS
    run.check_outputs(outputs)
    run.write(found, settings.output)
    matches = run.read(settings.output, schemas.MATCHES)
    if settings.entry_counts is not None:
        counts = name_entries(count_matches(matches), bank.frame)
        run.write(counts.select(*schemas.ENTRY_COUNTS.names), settings.entry_counts)
    n_ids = F.size(ENTRY_IDS)
    sums = matches.select(
        F.count("*").alias("rows_in"),
        F.count_if(n_ids > 0).alias("matched"),
        F.coalesce(F.sum(n_ids), F.lit(0)).alias("matches"),
    ).first()
    assert sums is not None  # an aggregate without groups has one row
    return {"entries": len(bank.entries), **sums.asDict()}


JOB = Job("match-concepts", "Find the entries of a concept bank in captions.", MatchConcepts, run)

if __name__ == "__main__":
    from spark_jobs.cli import run_alone

    run_alone(JOB)
