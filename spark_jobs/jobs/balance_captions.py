"""balance-captions: thin out the captions of head entries to about t each."""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, model_validator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs import schemas
from spark_jobs.balancing.entry_count import count_matches, name_entries
from spark_jobs.balancing.keep import keep_balanced, match_probability
from spark_jobs.balancing.thresholds import (
    EXPECTED_ROWS,
    T,
    expected_rows,
    t_at_tail_fraction,
    t_for_rows,
)
from spark_jobs.bank_reading import check_ids
from spark_jobs.errors import InputDataError
from spark_jobs.job import Counts, Job, Run
from spark_jobs.schemas import ENTRY, ENTRY_COUNT, ENTRY_ID, KEEP_PROBABILITY, KEPT_COUNT, UID
from spark_jobs.settings import InputAddress, OutputAddress, Settings


class BalanceCaptions(Settings):
    """Settings of balance-captions."""

    captions: InputAddress = Field(description="table of captions, with uid and caption")
    matches: InputAddress = Field(description="matches of these captions")
    entry_counts: InputAddress | None = Field(
        None, description="captions per entry; default: counted from the matches"
    )
    t: PositiveInt | None = Field(
        None, description="captions per entry above which an entry is head"
    )
    tail_fraction: float | None = Field(
        None, gt=0, lt=1, description="in place of t: share of matches in the tail (0-1)"
    )
    target_rows: PositiveInt | None = Field(
        None, description="in place of t: rows to expect in the output"
    )
    seed: int = Field(0, description="fixes every draw")
    output: OutputAddress = Field(description="the balanced captions")
    probabilities: OutputAddress | None = Field(
        None, description="entry_counts with keep_probability and the count kept"
    )

    @model_validator(mode="after")
    def _one_way_to_t(self) -> Self:
        given = [self.t, self.tail_fraction, self.target_rows]
        if sum(value is not None for value in given) != 1:
            raise ValueError("expected exactly one of t, tail_fraction and target_rows")
        return self


def run(run: Run, settings: BalanceCaptions) -> Counts:
    """Keep each caption with the probability that its entries give it."""
    captions = run.read(settings.captions, schemas.CAPTIONS)
    matches = run.read(settings.matches, schemas.MATCHES)
    if settings.entry_counts is None:
        entries = unnamed_entries(count_matches(matches))
    else:
        entries = run.read(settings.entry_counts, schemas.ENTRY_COUNTS)
    table = settings.entry_counts or settings.matches
    counts = counts_by_id(entries, table)
    t = threshold(settings, matches, counts)
    kept_matches = keep_balanced(matches, match_probability(counts, t=t), seed=settings.seed)
    balanced = captions.join(kept_matches.select(UID), on=UID, how="left_semi")
    outputs = {settings.output: balanced.schema}
    if settings.probabilities is not None:
        outputs[settings.probabilities] = schemas.ENTRY_PROBABILITIES
    run.check_outputs(outputs)
    rows_in = captions.count()
    kept = run.write(balanced, settings.output)
    if settings.probabilities is not None:
        told = with_probability(entries, count_matches(kept_matches), t=t)
        run.write(told, settings.probabilities)
    return {"t": t, "rows_in": rows_in, "kept": kept, "dropped": rows_in - kept}


def threshold(
    settings: BalanceCaptions, matches: DataFrame, entry_counts: NDArray[np.int64]
) -> int:
    """The t of the settings, or the one that their tail share or number of rows asks for."""
    if settings.t is not None:
        return settings.t
    if settings.tail_fraction is not None:
        return max(1, t_at_tail_fraction(entry_counts, tail_fraction=settings.tail_fraction))

    def expected(ts: list[int]) -> dict[int, float]:
        rows = expected_rows(matches, entry_counts, ts).collect()
        return {row[T]: row[EXPECTED_ROWS] for row in rows}

    wanted, most = settings.target_rows or 0, int(entry_counts.max(initial=1))
    available = round(expected([most]).get(most, 0.0))
    if wanted > available:
        raise InputDataError(
            f"target_rows = {wanted}: only {available} rows of {settings.matches} match an entry"
        )
    return t_for_rows(expected, rows=wanted, t_max=most)


def counts_by_id(entries: DataFrame, address: str) -> NDArray[np.int64]:
    """Counts on the driver, index = entry_id; one small array."""
    rows = entries.select(ENTRY_ID, ENTRY_COUNT).toPandas().sort_values(ENTRY_ID)
    check_ids(rows[ENTRY_ID].to_numpy(), f"table {address}")
    if rows[ENTRY_COUNT].isna().any() or (rows[ENTRY_COUNT] < 0).any():
        raise InputDataError(f"table {address}: column 'entry_count' must be 0 or more")
    return rows[ENTRY_COUNT].to_numpy(np.int64)


def unnamed_entries(counts: DataFrame) -> DataFrame:
    """schemas.ENTRY_COUNTS of ids 0 to the largest counted, without their words."""
    last = counts.agg(F.coalesce(F.max(ENTRY_ID), F.lit(-1)).alias("last"))
    ids = last.where("last >= 0").select(F.explode(F.sequence(F.lit(0), "last")).alias(ENTRY_ID))
    return name_entries(counts, ids.withColumn(ENTRY, F.lit(None).cast("string"))).select(
        *schemas.ENTRY_COUNTS.names
    )


def with_probability(entries: DataFrame, kept_counts: DataFrame, *, t: int) -> DataFrame:
    """schemas.ENTRY_PROBABILITIES: entry counts before and after, and each entry's probability."""
    probability = F.lit(t).cast("double") / F.greatest(F.col(ENTRY_COUNT), F.lit(t))
    weighed = entries.withColumn(KEEP_PROBABILITY, probability)
    named = name_entries(kept_counts, weighed, column=KEPT_COUNT)
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
