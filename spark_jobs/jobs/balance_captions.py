"""balance-captions: thin out the captions of head entries to about t each."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs import schemas
from spark_jobs.arrow_batches import batches_that_fit
from spark_jobs.balancing.counted_entries import CountedEntries
from spark_jobs.balancing.entry_count import count_matches, name_entries
from spark_jobs.balancing.floor import captions_for_floor, missing_captions
from spark_jobs.balancing.keep import (
    BALANCING,
    draw_matches,
    keep_balanced,
    match_probability,
    matches_by_uid,
)
from spark_jobs.decisions import decisions
from spark_jobs.draws import Draw
from spark_jobs.entry_counts_reading import counted_entries, read_entry_counts
from spark_jobs.finding_t import Thresholds, find_thresholds, thresholds_of
from spark_jobs.job import Counts, Job, Run
from spark_jobs.schemas import (
    CAPTION_ID,
    DRAW,
    ENTRY,
    ENTRY_COUNT,
    ENTRY_ID,
    ENTRY_IDS,
    KEEP_PROBABILITY,
    KEPT,
    KEPT_COUNT,
    LANG,
    UID,
    T,
)
from spark_jobs.settings import InputAddress, OutputAddress
from spark_jobs.threshold_settings import ThresholdSettings

FLOOR, BALANCE, NO_ENTRY, NOT_MATCHED = "floor", "balance", "no_entry", "not_matched"


class BalanceCaptions(ThresholdSettings):
    """Settings of balance-captions."""

    captions: InputAddress = Field(description="table of captions, with uid and caption")
    matches: InputAddress = Field(
        description="matches of these captions; the same table where it holds both"
    )
    entry_counts: InputAddress | None = Field(
        None,
        description="captions per entry: a table or entry_count.npy; default: counted from the "
        "matches",
    )
    output: OutputAddress = Field(description="the balanced captions")
    probabilities: OutputAddress | None = Field(
        None, description="entry_counts with t, keep_probability and the count kept"
    )
    decisions: bool = Field(
        False, description="add a row per caption to decisions in the workspace: draw, probability"
    )


def run(run: Run, settings: BalanceCaptions) -> Counts:
    """Keep each caption with the probability that its entries give it."""
    captions = run.read(settings.captions, schemas.CAPTIONS)
    stored = run.read(settings.matches, schemas.MATCHES)
    matches = matches_by_uid(stored)
    entries = _entries(run, settings, matches)
    counted = counted_entries(entries, settings.entry_counts or settings.matches)
    t, thresholds = find_thresholds(settings, matches, counted)
    draw = run.draw(BALANCING, settings.seed)
    drawn = balance(matches, counted.counts, thresholds, floor=settings.floor, draw=draw)
    if (
        settings.captions == settings.matches
        and CAPTION_ID not in stored.columns
        and not settings.floor
    ):
        probability = match_probability(counted.counts, t=thresholds)
        output = keep_balanced(stored, probability, draw=draw)
    else:
        output = captions.join(drawn.where(KEPT).select(UID), on=UID, how="left_semi")
    outputs = {settings.output: output.schema}
    if settings.probabilities is not None:
        outputs[settings.probabilities] = schemas.ENTRY_PROBABILITIES
    run.check_outputs(outputs)
    rows_in = captions.count()
    with batches_that_fit(captions):
        kept = run.write(output, settings.output)
    if settings.probabilities is not None:
        kept_matches = drawn.where(KEPT)
        if ENTRY_IDS in output.columns:
            kept_matches = run.read(settings.output, schemas.MATCHES)
        told = with_probability(
            entries, count_matches(kept_matches), t=t_column(t, settings, counted)
        )
        run.write(told, settings.probabilities)
    if settings.decisions:
        run.decide(_decisions(captions, drawn))
    return {"t": t, "rows_in": rows_in, "kept": kept, "dropped": rows_in - kept}


def balance(
    matches: DataFrame,
    entry_counts: NDArray[np.int64],
    thresholds: Thresholds,
    *,
    floor: int,
    draw: Draw,
) -> DataFrame:
    """Draw every caption, then lift the entries that are left below their floor to it.

    Gives the matches with keep_probability, draw, kept and rule.
    """
    drawn = draw_matches(matches, match_probability(entry_counts, t=thresholds), draw=draw)
    ruled = drawn.withColumn(
        schemas.RULE, F.when(F.size(ENTRY_IDS) > 0, BALANCE).otherwise(NO_ENTRY)
    )
    if not floor:
        return ruled
    kept_counts = np.zeros(entry_counts.size, np.int64)
    for row in count_matches(drawn.where(KEPT)).collect():
        kept_counts[row[ENTRY_ID]] = row[ENTRY_COUNT]
    missing = missing_captions(entry_counts, kept_counts, floor=floor)
    lifted = captions_for_floor(drawn.where(~F.col(KEPT)), missing)
    joined = ruled.join(lifted.withColumn(FLOOR, F.lit(True)), on=UID, how="left")
    is_lifted = F.col(FLOOR).isNotNull()
    every = joined.withColumn(KEPT, F.col(KEPT) | is_lifted).withColumn(
        schemas.RULE, F.when(is_lifted, FLOOR).otherwise(F.col(schemas.RULE))
    )
    return every.drop(FLOOR)


def _decisions(captions: DataFrame, drawn: DataFrame) -> DataFrame:
    every = captions.select(UID).distinct().join(drawn, on=UID, how="left")
    return decisions(
        every,
        kept=F.coalesce(KEPT, F.lit(False)),
        rule=F.coalesce(schemas.RULE, F.lit(NOT_MATCHED)),
        value=F.col(DRAW),
        threshold=F.col(KEEP_PROBABILITY),
    )


def _entries(run: Run, settings: BalanceCaptions, matches: DataFrame) -> DataFrame:
    if settings.entry_counts is None:
        return unnamed_entries(count_matches(matches))
    version = run.inputs.get(settings.entry_counts)
    return read_entry_counts(run.spark, settings.entry_counts, version)


def unnamed_entries(counts: DataFrame) -> DataFrame:
    """schemas.ENTRY_COUNTS of ids 0 to the largest counted, without their words."""
    last = counts.agg(F.coalesce(F.max(ENTRY_ID), F.lit(-1)).alias("last"))
    ids = last.where("last >= 0").select(F.explode(F.sequence(F.lit(0), "last")).alias(ENTRY_ID))
    nulls = {name: F.lit(None).cast("string") for name in (ENTRY, LANG)}
    return name_entries(counts, ids.withColumns(nulls)).select(*schemas.ENTRY_COUNTS.names)


def t_column(t: int, settings: ThresholdSettings, counted: CountedEntries) -> Column:
    """Each entry's t as a column of the entries."""
    if not settings.by_language:
        return F.lit(t).cast("long")
    thresholds = np.asarray(thresholds_of(settings, counted, settings.tail_fraction)(t))
    of_language = [
        F.lit(value)
        for lang in counted.by_language()
        for value in (lang, int(thresholds[counted.languages == lang][0]))
    ]
    return F.coalesce(F.create_map(*of_language)[F.col(LANG)], F.lit(1)).cast("long")


def with_probability(entries: DataFrame, kept_counts: DataFrame, *, t: Column) -> DataFrame:
    """schemas.ENTRY_PROBABILITIES: entry counts before and after, and each entry's probability."""
    weighed = entries.withColumn(T, t)
    probability = F.col(T).cast("double") / F.greatest(ENTRY_COUNT, T)
    named = name_entries(
        kept_counts, weighed.withColumn(KEEP_PROBABILITY, probability), column=KEPT_COUNT
    )
    return named.select(*schemas.ENTRY_PROBABILITIES.names)


JOB = Job(
    "balance-captions",
    "Thin out the captions of head entries to about t each.",
    BalanceCaptions,
    run,
)

if __name__ == "__main__":
    from spark_jobs.cli import run_alone

    run_alone(JOB)
