"""balance-captions: thin out the captions of head entries to about t each."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.balancing.choose_t import Thresholds, find_thresholds, target_lines, thresholds_of
from spark_jobs.balancing.counted_entries import CountedEntries
from spark_jobs.balancing.entry_count import count_matches, name_entries
from spark_jobs.balancing.floor import captions_for_floor, missing_captions
from spark_jobs.balancing.keep import (
    BALANCING,
    draw_matches,
    keep_balanced,
    match_probability,
    matches_by_uid,
    with_caption_rows,
)
from spark_jobs.balancing.t_settings import ThresholdSettings
from spark_jobs.core import schemas
from spark_jobs.core.columns import keys, with_plain_key
from spark_jobs.core.decisions import decisions
from spark_jobs.core.draws import Draw
from spark_jobs.core.schemas import (
    CAPTION_ID,
    CAPTION_ROWS,
    DRAW,
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
from spark_jobs.core.settings import InputAddress, OutputAddress
from spark_jobs.formats.matches import NOT_MATCHED, read_entries, read_matches
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.run import Counts, Run

FLOOR, BALANCE, NO_ENTRY = "floor", "balance", "no_entry"


def run(run: Run, settings: BalanceCaptions) -> Counts:
    """Keep each caption with the probability that its entries give it."""
    captions = run.read(settings.captions, schemas.CAPTIONS)
    read = read_matches(run, settings.matches, settings.captions, is_joined=settings.floor > 0)
    entries = read_entries(run, settings.entry_counts, read)
    stored, counted = read.rows, entries.counted
    matches = _matches_by_uid(settings, captions, stored)
    chosen = find_thresholds(settings, matches, counted)
    draw = run.draw(BALANCING, settings.seed)
    drawn = balance(matches, counted.counts, chosen.thresholds, floor=settings.floor, draw=draw)
    if _is_a_row_each(settings, stored) and not settings.floor:
        probability = match_probability(counted.counts, t=chosen.thresholds)
        output = keep_balanced(stored, probability, draw=draw)
    else:
        output = captions.join(drawn.where(KEPT).select(UID), on=UID, how="left_semi")
    outputs = {settings.output: output.schema}
    if settings.probabilities is not None:
        outputs[settings.probabilities] = schemas.ENTRY_PROBABILITIES
    run.check_outputs(outputs)
    rows_in = captions.count()
    with batches_that_fit(captions):
        has_unique_keys = run.has_unique_keys(settings.captions)
        kept = run.write(output, settings.output, has_unique_keys=has_unique_keys, is_narrow=True)
    if settings.probabilities is not None:
        kept_counts = count_matches(_kept_matches(run, settings, stored))
        told = with_probability(entries.frame, kept_counts, t=t_column(chosen.t, settings, counted))
        run.write(told, settings.probabilities, matching=read.matching_of_captions)
    if settings.decisions:
        run.write_decisions(_decisions(settings, captions, stored, drawn, draw))
    counts = chosen.counts() | {"rows_in": rows_in, "kept": kept, "dropped": rows_in - kept}
    counts |= read.told()
    if settings.floor:
        lifted = drawn.where(F.col(schemas.RULE) == FLOOR).select(UID)
        counts["kept_for_floor"] = captions.join(lifted, on=UID, how="left_semi").count()
    return counts


def _is_a_row_each(settings: BalanceCaptions, stored: DataFrame) -> bool:
    """Whether each row of the matches is a caption with its columns, rather than one to look up."""
    return settings.captions == settings.matches and CAPTION_ID not in stored.columns


def _matches_by_uid(settings: BalanceCaptions, captions: DataFrame, stored: DataFrame) -> DataFrame:
    """What is drawn for: with the rows of the captions that each stands for, where these matter."""
    matches = matches_by_uid(stored)
    if settings.captions == settings.matches:
        return matches
    if settings.floor or settings.target_rows is not None:
        matches = with_caption_rows(matches, captions)
    return matches.where(F.col(CAPTION_ROWS) > 0) if settings.floor else matches


def _kept_matches(run: Run, settings: BalanceCaptions, stored: DataFrame) -> DataFrame:
    """The matches of the rows that are in the output."""
    output = run.read(settings.output, schemas.EMPTY)
    if settings.captions == settings.matches:
        return output
    by = [name for name in keys(stored) if name in keys(output)]
    kept = with_plain_key(output.select(*by))
    return with_plain_key(stored).join(kept, on=by, how="left_semi")


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


def _decisions(
    settings: BalanceCaptions,
    captions: DataFrame,
    stored: DataFrame,
    drawn: DataFrame,
    draw: Draw,
) -> DataFrame:
    """A row per caption; one without a row in the matches has its draw, and probability 0."""
    rows = drawn
    if not _is_a_row_each(settings, stored):
        ruled = drawn.select(UID, KEEP_PROBABILITY, KEPT, schemas.RULE)
        own = captions.select(*keys(captions)).withColumn(DRAW, draw.of(UID))
        rows = own.join(ruled, on=UID, how="left")
    return decisions(
        rows,
        kept=F.coalesce(KEPT, F.lit(False)),
        rule=F.coalesce(schemas.RULE, F.lit(NOT_MATCHED)),
        value=F.col(DRAW),
        threshold=F.coalesce(KEEP_PROBABILITY, F.lit(0.0)),
    )


def closing(_spark: SparkSession, settings: BalanceCaptions, counts: Counts) -> list[str]:
    """Where the number of rows is another than was wished."""
    lines = target_lines(settings.target_rows, counts)
    if settings.target_rows is not None and counts.get("kept_for_floor"):
        lines.append(
            f"  the floor adds {counts['kept_for_floor']:,} rows to those of target_rows = "
            f"{settings.target_rows:,}"
        )
    return lines


JOB = Job(
    "balance-captions",
    "Thin out the captions of head entries to about t each.",
    BalanceCaptions,
    run,
    closing=closing,
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
