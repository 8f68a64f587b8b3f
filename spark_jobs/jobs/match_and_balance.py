"""match-and-balance: balance captions straight from their files, without storing matches."""

import logging

import numpy as np
import pyarrow as pa
from pydantic import Field, field_validator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.balancing.choose_t import choose_t, target_lines
from spark_jobs.balancing.counted_entries import CountedEntries
from spark_jobs.balancing.entry_count import MatchCounts, match_counts
from spark_jobs.balancing.keep import BALANCING, match_probability
from spark_jobs.balancing.match_and_keep import keep_matched, matched_columns
from spark_jobs.balancing.probabilities import entry_probabilities, t_column
from spark_jobs.balancing.t_settings import ThresholdSettings
from spark_jobs.core import schemas
from spark_jobs.core.arrow_collecting import collected
from spark_jobs.core.bank_names import BANK_HELP
from spark_jobs.core.columns import keys
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import CAPTION_ID
from spark_jobs.core.settings import BankAddress, OutputAddress
from spark_jobs.formats.caption_input import (
    CaptionInput,
    few_repeated_keys,
    read_captions,
    refuse_too_many_rejected,
    rejected_lines,
    store_rejected_rows,
)
from spark_jobs.formats.concept_bank import read_bank
from spark_jobs.formats.kept_writing import write_kept
from spark_jobs.ingest.accepted_rows import accepted
from spark_jobs.ingest.normalise import FAULT
from spark_jobs.matching.ignoring_case import unmatched_lines
from spark_jobs.matching.match import count_with_keys, match_concepts
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run
from udfs.balancing import KEYS
from udfs.id_counts import KIND
from udfs.text.matchers import ConceptMatcher, MetaclipMatcher
from udfs.text.token_trie import build_token_trie

_log = logging.getLogger(__name__)


class MatchAndBalance(CaptionInput, ThresholdSettings):
    """Settings of match-and-balance."""

    bank: BankAddress = Field(description=BANK_HELP)
    output: OutputAddress = Field(description="the balanced captions, with entry_ids")
    probabilities: OutputAddress | None = Field(
        None, description="the count of each entry before and after, t and keep_probability"
    )

    @field_validator("floor")
    @classmethod
    def _no_floor(cls, floor: int) -> int:
        if floor:
            raise ValueError("a floor needs stored matches: use match-concepts, balance-captions")
        return floor


def run(run: Run, settings: MatchAndBalance) -> Counts:
    """Match in a first pass to count entries, and again in a second to keep captions by them."""
    caption_input = read_captions(run, settings)
    _refuse_unusable(run, settings, caption_input.rows)
    bank = read_bank(run, settings.bank)
    matcher = _matcher(bank.entries)
    rows_in = caption_input.source.count()
    with caption_input.reading(by_python=True):
        captions, repeated, first_pass = _match_first(
            caption_input.rows, rows_in, matcher, len(bank.entries)
        )
        reasons = store_rejected_rows(
            run, settings, caption_input, repeated, rows_in=rows_in, kept=first_pass.rows
        )
        refuse_too_many_rejected(settings, rows_in, rows_in - first_pass.rows)
        _warn_of_unmatched(caption_input.rows, first_pass, matcher, bank.entries)
        counted = CountedEntries(first_pass.entry_counts, np.array(bank.langs, object))
        chosen_t = choose_t(settings, match_concepts(captions, matcher), counted)
        probability = match_probability(first_pass.entry_counts, t=chosen_t.thresholds)
        draw = run.draw(BALANCING, settings.seed)
        balanced = keep_matched(captions, matcher, probability, draw=draw)
        kept = write_kept(run, balanced, settings.output, has_unique_keys=False)
    if settings.probabilities is not None:
        probabilities = entry_probabilities(
            bank.with_counts(first_pass.entry_counts),
            kept.entry_counts,
            t=t_column(chosen_t.t, settings, counted),
        )
        run.write(probabilities, settings.probabilities, matching=bank.matching("metaclip", None))
    return {
        "rows_in": rows_in,
        "accepted": first_pass.rows,
        "matched": first_pass.matched,
        "matches": int(first_pass.entry_counts.sum()),
        **chosen_t.counts(),
        "unmatched": first_pass.rows - first_pass.matched,
        "thinned": first_pass.matched - kept.rows,
        "kept": kept.rows,
        "rejected": rows_in - first_pass.rows,
        **reasons,
    }


def _matcher(entries: pa.Array) -> ConceptMatcher:
    return MetaclipMatcher(build_token_trie(entries))


def _warn_of_unmatched(
    rows: DataFrame, first_pass: MatchCounts, matcher: ConceptMatcher, entries: pa.Array
) -> None:
    """Warn if many captions match nothing, after a look at the first of the rows."""
    captions, n_captions = rows.where(F.col(FAULT).isNull()), first_pass.rows
    n_unmatched = n_captions - first_pass.matched
    for line in unmatched_lines(
        *(captions, matcher, entries, _matcher), rows=n_captions, unmatched=n_unmatched
    ):
        _log.warning(line)


def _refuse_unusable(run: Run, settings: MatchAndBalance, rows: DataFrame) -> None:
    """Fail before the first pass if the input or an output would fail after it."""
    if CAPTION_ID in rows.columns:
        raise InputDataError(
            f"{settings.input}: records of several captions are balanced as one, by matches that "
            "match-and-balance does not store; curate does, if you leave out --no-intermediate"
        )
    outputs = {settings.output: matched_columns(accepted(rows, []))}
    if settings.probabilities is not None:
        outputs[settings.probabilities] = schemas.ENTRY_PROBABILITIES
    run.check_outputs(outputs)


def _match_first(
    rows: DataFrame, rows_in: int, matcher: ConceptMatcher, n_entries: int
) -> tuple[DataFrame, list[int] | None, MatchCounts]:
    """The accepted captions, the repeated keys for `accepted`, and the counts of the captions.

    Where keys repeat, which is rare, a second pass counts without the repeated rows.
    """
    counts, has_repeated_keys = _count_pass(rows.where(F.col(FAULT).isNull()), matcher, n_entries)
    if not has_repeated_keys:
        return accepted(rows, [], no_faults=counts.rows == rows_in), [], counts
    repeated = few_repeated_keys(rows)
    first_copies = accepted(rows, repeated)
    return first_copies, repeated, _count_pass(first_copies, matcher, n_entries)[0]


def _count_pass(
    captions: DataFrame, matcher: ConceptMatcher, n_entries: int
) -> tuple[MatchCounts, bool]:
    """(the counts of the captions, whether keys repeat)."""
    counts = collected(count_with_keys(captions, matcher, F.xxhash64(*keys(captions))))
    return match_counts(counts, n_entries), bool((counts[KIND] == KEYS).any())


def closing_lines(_spark: SparkSession, settings: MatchAndBalance, counts: Counts) -> list[str]:
    """Lines on rejected rows, and on an output whose rows are not target_rows."""
    return [*rejected_lines(settings, counts), *target_lines(settings.target_rows, counts)]


JOB = Job(
    "match-and-balance",
    "Match and balance captions straight from their files, without storing the matches.",
    MatchAndBalance,
    run,
    closing_lines=closing_lines,
    arguments=("input",),
    example=(
        "captionlake match-and-balance ./laion --preset laion400m \\\n"
        "  --bank metadata.json --t 20000 --output ./balanced_captions"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
