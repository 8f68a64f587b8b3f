"""plan-balance: estimate what each t would keep, before balancing."""

import pandas as pd
from pydantic import Field, PositiveInt
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.balancing.choose_t import entry_thresholds, largest_t, t_for_target, target_lines
from spark_jobs.balancing.keep import matches_by_uid, with_caption_rows
from spark_jobs.balancing.plan import plan, plan_lines, round_ts, scale_to_all_matches
from spark_jobs.balancing.t_settings import LanguageSettings
from spark_jobs.balancing.thresholds import expected_rows
from spark_jobs.core import schemas
from spark_jobs.core.draws import Draw
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import CAPTION, CAPTION_BYTES, EXPECTED_ROWS, UID, T
from spark_jobs.core.settings import InputAddress, OutputAddress, OutputFile
from spark_jobs.formats.matches import read_entries, read_matches
from spark_jobs.report.plan_picture import plan_picture
from spark_jobs.running.job import Job
from spark_jobs.storage.outputs.files import write_output_file
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.session_settings import cached
from spark_jobs.storage.tables import read_table

_SAMPLE = Draw("plan-balance/sample", seed=0)


class PlanBalance(LanguageSettings):
    """Settings of plan-balance."""

    matches: InputAddress = Field(description="matches of the captions")
    entry_counts: InputAddress | None = Field(
        None,
        description="captions per entry: a table or entry_count.npy; default: counted from the "
        "matches",
    )
    captions: InputAddress | None = Field(
        None,
        description="the captions, whose rows are then counted, with the bytes of their text; "
        "default: the rows of the matches",
    )
    ts: list[PositiveInt] | None = Field(
        None, description="the grid of t; default: 1, 2, 5, 10 ... up to the largest count"
    )
    target_rows: PositiveInt | None = Field(
        None,
        description="also find the t that is expected to keep this many rows, a record of several "
        "texts being as many rows",
    )
    sample_rows: int = Field(
        1_000_000, ge=100_000, description="rows of the matches to estimate from, at least"
    )
    picture: OutputFile | None = Field(None, description="file for the plan as a picture (SVG)")
    output: OutputAddress = Field(description="the plan, a row per t")


def run(run: Run, settings: PlanBalance) -> Counts:
    """Sum over a sample what each t would keep, and scale the sums to all matches."""
    caption_matches = read_matches(run, settings.matches, settings.captions)
    match_rows, rows_in = caption_matches.rows, count_rows(caption_matches.rows)
    counted = read_entries(run, settings.entry_counts, caption_matches).counted
    own_counts = counted.counts
    if settings.entry_counts is not None:
        own_counts = caption_matches.counts(own_counts.size)
    thresholds_at = entry_thresholds(settings, counted)
    sampled_rows = _draw_sample(settings, match_rows, rows_in)
    counts = {"rows_in": rows_in, "sample_rows": count_rows(sampled_rows)}
    counts |= caption_matches.mismatch_counts()
    with cached(_by_uid_with_sizes(run, settings, sampled_rows)) as sample:

        def expected(ts: list[int]) -> pd.DataFrame:
            thresholds = {t: thresholds_at(t) for t in ts}
            sums = expected_rows(sample, counted.counts, thresholds).toPandas().set_index(T)
            sums = sums.reindex(ts, fill_value=0.0).reset_index()  # an empty table gives no rows
            return scale_to_all_matches(sums, counted.counts, own_counts, thresholds)

        def rows_at(ts: list[int]) -> dict[int, float]:
            sums = expected(ts)
            return dict(zip(sums[T].tolist(), sums[EXPECTED_ROWS].tolist(), strict=True))

        ts = set(settings.ts or round_ts(int(counted.counts.max(initial=1))))
        if settings.target_rows is not None:
            t_max = largest_t(settings, counted)
            t, counts[EXPECTED_ROWS] = t_for_target(rows_at, settings.target_rows, t_max)
            counts[T] = t
            ts.add(t)
        plan_rows = plan(
            expected(sorted(ts)),
            counted.counts,
            own_counts,
            {t: thresholds_at(t) for t in sorted(ts)},
            has_bytes=settings.captions is not None,
        )
    _write(run, settings, plan_rows)
    if settings.picture is not None:
        write_output_file(settings.picture, [plan_picture(plan_rows, counts.get(T))])
    return counts


def _draw_sample(settings: PlanBalance, matches: DataFrame, n_rows: int) -> DataFrame:
    """At least `sample_rows` rows of the matches, drawn by uid, or all rows if they are fewer."""
    # 5 % more: over six standard deviations of the sample's size, so that it is large enough.
    fraction = 1.05 * settings.sample_rows / max(n_rows, 1)
    return matches if fraction >= 1 else matches.where(_SAMPLE.of(UID) < fraction)


def _by_uid_with_sizes(run: Run, settings: PlanBalance, matches: DataFrame) -> DataFrame:
    """The matches with one row per uid; with captions set, also caption_rows and caption_bytes."""
    by_uid = matches_by_uid(matches)
    if settings.captions is None:
        return by_uid
    captions = run.read(settings.captions, schemas.CAPTIONS)
    sizes = captions.groupBy(UID).agg(F.sum(F.octet_length(CAPTION)).alias(CAPTION_BYTES))
    with_sizes = with_caption_rows(by_uid, captions).join(sizes, on=UID, how="left")
    return with_sizes.withColumn(CAPTION_BYTES, F.coalesce(CAPTION_BYTES, F.lit(0)).cast("double"))


def _write(run: Run, settings: PlanBalance, plan_rows: pd.DataFrame) -> None:
    with_none = plan_rows.astype(object).where(plan_rows.notna(), None)  # NaN becomes null
    records = [tuple(row) for row in with_none.itertuples(index=False)]
    run.write(run.spark.createDataFrame(records, schemas.PLAN).coalesce(1), settings.output)


def closing_lines(spark: SparkSession, settings: PlanBalance, counts: Counts) -> list[str]:
    """The plan as a table."""
    rows = read_table(spark, settings.output, schemas.PLAN).orderBy(T).toPandas()
    return plan_lines(rows, counts.get(T)) + target_lines(settings.target_rows, counts)


JOB = Job(
    "plan-balance",
    "Show what each t would keep (rows, bytes, tail share), or the t for a wanted size.",
    PlanBalance,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake plan-balance --matches ./matches --entry-counts ./entry_counts \\\n"
        "  --output ./plan"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
