"""plan-threshold: what each threshold on a similarity would keep."""

from pydantic import Field
from pyspark.sql import SparkSession

from spark_jobs import schemas
from spark_jobs.columns import require
from spark_jobs.folders import write_file
from spark_jobs.job import Counts, Job, Run
from spark_jobs.schemas import SCORE, THRESHOLD, WNID
from spark_jobs.scoring.threshold_picture import threshold_picture
from spark_jobs.scoring.thresholds import (
    histogram,
    kept_by_threshold,
    plan_lines,
    round_thresholds,
    telling,
)
from spark_jobs.settings import InputAddress, OutputAddress, OutputFile, Settings
from spark_jobs.tables import read_table


class PlanThreshold(Settings):
    """Settings of plan-threshold."""

    scores: InputAddress = Field(description="scores, or captions with a column of similarities")
    column: str = Field(SCORE, description="its column of similarities")
    class_column: str | None = Field(
        WNID, description="its column of classes; null: there are none"
    )
    thresholds: list[float] | None = Field(
        None, min_length=1, description="the grid; default: -0.95 to 0.95 by 0.05"
    )
    picture: OutputFile | None = Field(None, description="file for the plan as a picture (SVG)")
    output: OutputAddress = Field(description="the plan, a row per threshold")


def run(run: Run, settings: PlanThreshold) -> Counts:
    """Count what is above each threshold."""
    scored = run.read(settings.scores, schemas.EMPTY)
    named = filter(None, (settings.column, settings.class_column))
    require(scored, f"table {settings.scores}", named)
    grid = settings.thresholds or round_thresholds()
    rows = kept_by_threshold(scored, settings.column, settings.class_column, grid)
    bars = histogram(scored, settings.column)
    plain = rows.astype(object).where(rows.notna(), None)
    records = [tuple(row) for row in plain.itertuples(index=False)]
    frame = run.spark.createDataFrame(records, schemas.SIMILARITY_PLAN)
    run.write(frame.coalesce(1), settings.output)
    if settings.picture is not None:
        write_file(settings.picture, threshold_picture(rows, bars))
    return {"rows_in": scored.count(), "scored": sum(bars.values()), "thresholds": len(rows)}


def closing(spark: SparkSession, settings: PlanThreshold, _counts: Counts) -> list[str]:
    """The plan as a table, without thresholds that keep everything or nothing."""
    rows = read_table(spark, settings.output, schemas.SIMILARITY_PLAN).orderBy(THRESHOLD)
    return plan_lines(telling(rows.toPandas()))


JOB = Job(
    "plan-threshold",
    "Tell what each threshold on a similarity would keep.",
    PlanThreshold,
    run,
    closing=closing,
)

if __name__ == "__main__":
    from spark_jobs.cli import run_alone

    run_alone(JOB)
