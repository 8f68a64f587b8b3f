"""balance-captions: thin out the captions of head entries, those of more than t captions.

A head entry keeps about t captions for its own sake, and more where other entries want them.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.balancing.balance_settings import BalanceCaptions
from spark_jobs.balancing.choose_t import Thresholds, choose_t, target_lines
from spark_jobs.balancing.entry_count import count_matches
from spark_jobs.balancing.floor import captions_for_floor, missing_captions
from spark_jobs.balancing.keep import (
    BALANCING,
    draw_matches,
    kept_rows,
    marked_rows,
    match_probability,
    matches_by_uid,
    with_caption_rows,
)
from spark_jobs.balancing.probabilities import entry_probabilities, t_column
from spark_jobs.balancing.unmatched import ObservedUnmatched, count_unmatched
from spark_jobs.core import schemas
from spark_jobs.core.addresses import parse_address
from spark_jobs.core.columns import keys, with_non_null_caption_id
from spark_jobs.core.decisions import decisions
from spark_jobs.core.draws import Draw
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import (
    CAPTION_ID,
    CAPTION_ROWS,
    DRAW,
    ENTRY_COUNT,
    ENTRY_ID,
    ENTRY_IDS,
    KEEP_PROBABILITY,
    KEPT,
    UID,
)
from spark_jobs.formats.kept_writing import KeptMatches, write_kept, write_marked
from spark_jobs.formats.matches import WITHOUT_MATCHES, read_entries, read_matches
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.run import Counts, Run

FLOOR, BALANCE, NO_ENTRY = "floor", "balance", "no_entry"  # rules, as in the decisions


def run(run: Run, settings: BalanceCaptions) -> Counts:
    """Keep each caption with its keep_probability (MetaCLIP, Xu et al. 2023, algorithm 1)."""
    captions = run.read(settings.captions, schemas.CAPTIONS)
    caption_matches = read_matches(
        run, settings.matches, settings.captions, is_joined=settings.floor > 0
    )
    entries = read_entries(run, settings.entry_counts, caption_matches)
    match_rows, counted = caption_matches.rows, entries.counted
    matches = _matches_by_uid(settings, captions, match_rows)
    chosen_t = choose_t(settings, matches, counted)
    draw = run.draw(BALANCING, settings.seed)
    drawn = balance(matches, counted.counts, chosen_t.thresholds, floor=settings.floor, draw=draw)
    is_one_pass = _has_captions_in_matches(settings, match_rows) and not settings.floor
    columns = match_rows.schema if is_one_pass else captions.schema
    outputs = {settings.output: columns}
    if settings.probabilities is not None:
        outputs[settings.probabilities] = schemas.ENTRY_PROBABILITIES
    run.check_outputs(outputs)
    rows_in = count_rows(captions)
    has_unique_keys = run.has_unique_keys(settings.captions)
    if is_one_pass:
        probability = match_probability(counted.counts, t=chosen_t.thresholds)
        kept = _balance_in_one_pass(
            *(run, settings, match_rows, probability, draw),
            rows_in=rows_in,
            has_unique_keys=has_unique_keys,
        )
    else:
        of_kept = captions.join(drawn.where(KEPT).select(UID), on=UID, how="left_semi")
        with batches_that_fit(captions):
            n_kept = run.write(
                of_kept, settings.output, has_unique_keys=has_unique_keys, few_files=True
            )
        kept = KeptMatches(n_kept, count_matches(_kept_matches(run, settings, match_rows)))
    if settings.probabilities is not None:
        probabilities = entry_probabilities(
            entries.frame, kept.entry_counts, t=t_column(chosen_t.t, settings, counted)
        )
        matching = caption_matches.matching_of_captions
        run.write(probabilities, settings.probabilities, matching=matching)
    if settings.decisions:
        run.write_decisions(_decisions(settings, captions, match_rows, drawn, draw))
    unmatched = kept.unmatched
    if unmatched is None:
        without = caption_matches.without_matches
        unmatched = count_unmatched(match_rows, captions, rows_in=rows_in, without_matches=without)
    thinned = rows_in - unmatched - kept.rows
    counts = {"rows_in": rows_in, "unmatched": unmatched, "thinned": thinned, "kept": kept.rows}
    counts = chosen_t.counts() | counts | caption_matches.mismatch_counts()
    if settings.floor:
        for_floor = drawn.where(F.col(schemas.RULE) == FLOOR).select(UID)
        counts["kept_for_floor"] = count_rows(captions.join(for_floor, on=UID, how="left_semi"))
    return counts


def _balance_in_one_pass(
    run: Run,
    settings: BalanceCaptions,
    match_rows: DataFrame,
    probability: NDArray[np.float64],
    draw: Draw,
    *,
    rows_in: int,
    has_unique_keys: bool,
) -> KeptMatches:
    """Balance matches that hold the captions too, without a join.

    Where they lie on this disk, the workers read and write the rows themselves.
    """
    stored = run.read_groups(settings.matches)
    if stored is not None and stored.columns == match_rows.schema:
        marked = marked_rows(stored, probability, draw=draw)
        kept = write_marked(
            *(run, marked, settings.output),
            n_entries=probability.size,
            has_unique_keys=has_unique_keys,
        )
        if kept is not None:
            return kept
    observed = ObservedUnmatched(is_observed=parse_address(settings.output).is_path)
    rows = kept_rows(observed.observe(match_rows), probability, draw=draw)
    with batches_that_fit(match_rows):
        kept = write_kept(run, rows, settings.output, has_unique_keys=has_unique_keys)
    return replace(kept, unmatched=observed.get(rows_in))


def _has_captions_in_matches(settings: BalanceCaptions, match_rows: DataFrame) -> bool:
    """Whether each row of the matches holds its caption's columns too, so that no join is needed.

    False where records have several captions, which are drawn together by uid.
    """
    return settings.captions == settings.matches and CAPTION_ID not in match_rows.columns


def _matches_by_uid(
    settings: BalanceCaptions, captions: DataFrame, match_rows: DataFrame
) -> DataFrame:
    """The matches with one row per uid, the unit of the draw.

    caption_rows is counted in the captions where the floor or target_rows needs it; with a floor,
    uids without a caption are left out.
    """
    matches = matches_by_uid(match_rows)
    if settings.captions == settings.matches:
        return matches
    if settings.floor or settings.target_rows is not None:
        matches = with_caption_rows(matches, captions)
    return matches.where(F.col(CAPTION_ROWS) > 0) if settings.floor else matches


def _kept_matches(run: Run, settings: BalanceCaptions, match_rows: DataFrame) -> DataFrame:
    """The matches of the captions in the output."""
    output = run.read(settings.output, schemas.EMPTY)
    if settings.captions == settings.matches:
        return output
    by = [name for name in keys(match_rows) if name in keys(output)]
    kept = with_non_null_caption_id(output.select(*by))
    return with_non_null_caption_id(match_rows).join(kept, on=by, how="left_semi")


def balance(
    matches: DataFrame,
    entry_counts: NDArray[np.int64],
    thresholds: Thresholds,
    *,
    floor: int,
    draw: Draw,
) -> DataFrame:
    """Draw for each uid, then raise the entries below the floor by more of their captions.

    `matches`: of `matches_by_uid`. Adds keep_probability, draw, kept and rule: "balance", "floor",
    or "no_entry" where nothing matched.
    """
    drawn = draw_matches(matches, match_probability(entry_counts, t=thresholds), draw=draw)
    with_rule = drawn.withColumn(
        schemas.RULE, F.when(F.size(ENTRY_IDS) > 0, BALANCE).otherwise(NO_ENTRY)
    )
    if not floor:
        return with_rule
    kept_counts = np.zeros(entry_counts.size, np.int64)
    for row in count_matches(drawn.where(KEPT)).collect():
        kept_counts[row[ENTRY_ID]] = row[ENTRY_COUNT]
    missing = missing_captions(entry_counts, kept_counts, floor=floor)
    for_floor = captions_for_floor(drawn.where(~F.col(KEPT)), missing)
    joined = with_rule.join(for_floor.withColumn(FLOOR, F.lit(True)), on=UID, how="left")
    is_for_floor = F.col(FLOOR).isNotNull()
    with_floor = joined.withColumn(KEPT, F.col(KEPT) | is_for_floor).withColumn(
        schemas.RULE, F.when(is_for_floor, FLOOR).otherwise(F.col(schemas.RULE))
    )
    return with_floor.drop(FLOOR)


def _decisions(
    settings: BalanceCaptions,
    captions: DataFrame,
    match_rows: DataFrame,
    drawn: DataFrame,
    draw: Draw,
) -> DataFrame:
    """A decision per caption: its draw as value, its keep_probability as threshold.

    Captions without a row in the matches have the rule "without_matches" and threshold 0.
    """
    rows = drawn
    if not _has_captions_in_matches(settings, match_rows):
        by_uid = drawn.select(UID, KEEP_PROBABILITY, KEPT, schemas.RULE)
        with_draw = captions.select(*keys(captions)).withColumn(DRAW, draw.of(UID))
        rows = with_draw.join(by_uid, on=UID, how="left")
    return decisions(
        rows,
        kept=F.coalesce(KEPT, F.lit(False)),
        rule=F.coalesce(schemas.RULE, F.lit(WITHOUT_MATCHES)),
        value=F.col(DRAW),
        threshold=F.coalesce(KEEP_PROBABILITY, F.lit(0.0)),
    )


def closing_lines(_spark: SparkSession, settings: BalanceCaptions, counts: Counts) -> list[str]:
    """Lines on an output whose number of rows is not target_rows."""
    lines = target_lines(settings.target_rows, counts)
    if settings.target_rows is not None and counts.get("kept_for_floor"):
        lines.append(
            f"  the floor adds {counts['kept_for_floor']:,} rows to those of target_rows = "
            f"{settings.target_rows:,}"
        )
    return lines


JOB = Job(
    "balance-captions",
    "Thin out captions whose concepts are all frequent; rare concepts lose nothing.",
    BalanceCaptions,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake balance-captions --captions ./captions --matches ./matches \\\n"
        "  --entry-counts ./entry_counts --t 20000 --output ./balanced_captions"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
