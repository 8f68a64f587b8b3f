"""match-and-balance: from files of captions to the balanced ones, with nothing stored between."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.balancing.choose_t import find_thresholds, target_lines
from spark_jobs.balancing.counted_entries import CountedEntries
from spark_jobs.balancing.entry_count import count_matches, count_vector
from spark_jobs.balancing.keep import BALANCING, match_probability
from spark_jobs.balancing.match_and_keep import keep_matched, matched_columns
from spark_jobs.balancing.t_settings import ThresholdSettings
from spark_jobs.core import schemas
from spark_jobs.core.columns import keys
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.observed_counts import ObservedCounts
from spark_jobs.core.schemas import CAPTION_ID, ENTRY, LANG
from spark_jobs.core.settings import InputAddress, OutputAddress
from spark_jobs.formats.caption_input import (
    CaptionInput,
    few_repeated_keys,
    read_captions,
    refuse_too_many_rejected,
    store_rejected_rows,
)
from spark_jobs.formats.concept_bank import read_bank
from spark_jobs.ingest.normalise import FAULT, accepted
from spark_jobs.jobs.balance_captions import t_column, with_probability
from spark_jobs.matching.match import ENTRIES, KEYS, ROWS, count_with_keys, match_concepts
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run
from udfs.id_counts import COUNT, ID, KIND
from udfs.text.matchers import ConceptMatcher, MetaclipMatcher
from udfs.text.token_trie import build_token_trie


class MatchAndBalance(CaptionInput, ThresholdSettings):
    """Settings of match-and-balance."""

    bank: InputAddress = Field(
        description="concept bank: a table, metadata.json, .jsonl or .txt file"
    )
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


@dataclass(frozen=True)
class _Look:
    """What a first pass over captions found; counts: of shape (n_entries,)."""

    rows: int
    matched: int
    counts: NDArray[np.int64]
    uids_repeat: bool


def run(run: Run, settings: MatchAndBalance) -> Counts:
    """Match once for the counts, and once more for the captions that are kept."""
    captions_read = read_captions(run, settings)
    _check(run, settings, captions_read.rows)
    bank = read_bank(run, settings.bank)
    matcher = MetaclipMatcher(build_token_trie(bank.entries))
    rows_in, observed = captions_read.source.count(), ObservedCounts()
    with captions_read.reading(by_python=True):
        captions, repeated, look = _first_pass(
            captions_read.rows, rows_in, matcher, len(bank.entries)
        )
        reasons = store_rejected_rows(
            run, settings, captions_read, repeated, rows_in=rows_in, kept=look.rows
        )
        refuse_too_many_rejected(settings, rows_in, rows_in - look.rows)
        counted = CountedEntries(look.counts, np.array(bank.langs, object))
        chosen = find_thresholds(settings, match_concepts(captions, matcher), counted)
        probability = match_probability(look.counts, t=chosen.thresholds)
        balanced = keep_matched(
            captions,
            matcher,
            probability,
            draw=run.draw(BALANCING, settings.seed),
            observed=observed,
        )
        kept = run.write(balanced, settings.output, is_narrow=True)
    if settings.probabilities is not None:
        seen = observed.get(kept, len(bank.entries))
        kept_counts = seen[1] if seen else _stored_counts(run, settings.output, len(bank.entries))
        told = with_probability(
            bank.with_counts(look.counts),
            bank.with_counts(kept_counts).drop(ENTRY, LANG),
            t=t_column(chosen.t, settings, counted),
        )
        run.write(told, settings.probabilities, matching=bank.matching("metaclip", None))
    return {
        "rows_in": rows_in,
        "accepted": look.rows,
        "matched": look.matched,
        "matches": int(look.counts.sum()),
        **chosen.counts(),
        "kept": kept,
        "dropped": look.rows - kept,
        "rejected": rows_in - look.rows,
        **reasons,
    }


def _check(run: Run, settings: MatchAndBalance, rows: DataFrame) -> None:
    """Refuse before the first pass what would fail after it."""
    if CAPTION_ID in rows.columns:
        raise InputDataError(
            f"{settings.input}: records of several captions are balanced as one, by their stored "
            "matches: use curate without --no-intermediate"
        )
    outputs = {settings.output: matched_columns(accepted(rows, []))}
    if settings.probabilities is not None:
        outputs[settings.probabilities] = schemas.ENTRY_PROBABILITIES
    run.check_outputs(outputs)


def _first_pass(
    rows: DataFrame, rows_in: int, matcher: ConceptMatcher, n_entries: int
) -> tuple[DataFrame, list[int] | None, _Look]:
    """The accepted captions, the repeated keys as `accepted` takes them, and what was found.

    Where uids repeat, which is rare, all is counted again without the copies.
    """
    look = _look(rows.where(F.col(FAULT).isNull()), matcher, n_entries)
    if not look.uids_repeat:
        return accepted(rows, [], no_faults=look.rows == rows_in), [], look
    repeated = few_repeated_keys(rows)
    once = accepted(rows, repeated)
    return once, repeated, _look(once, matcher, n_entries)


def _look(captions: DataFrame, matcher: ConceptMatcher, n_entries: int) -> _Look:
    found = count_with_keys(captions, matcher, F.xxhash64(*keys(captions))).toPandas()
    of_kind = {kind: found[found[KIND] == kind] for kind in (ENTRIES, KEYS, ROWS)}
    counts = np.zeros(n_entries, np.int64)
    counts[of_kind[ENTRIES][ID].to_numpy()] = of_kind[ENTRIES][COUNT].to_numpy()
    rows, matched = (int(of_kind[ROWS].loc[of_kind[ROWS][ID] == k, COUNT].sum()) for k in (0, 1))
    return _Look(rows, matched, counts, not of_kind[KEYS].empty)


def _stored_counts(run: Run, output: str, n_entries: int) -> NDArray[np.int64]:
    return count_vector(count_matches(run.read(output, schemas.MATCHES)), n_entries)


def closing_lines(_spark: SparkSession, settings: MatchAndBalance, counts: Counts) -> list[str]:
    """Where the number of rows is another than was wished."""
    return target_lines(settings.target_rows, counts)


JOB = Job(
    "match-and-balance",
    "Balance captions by concept straight from their files, storing nothing between.",
    MatchAndBalance,
    run,
    closing_lines=closing_lines,
    arguments=("input",),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
