"""plan-threshold: count what each threshold on a similarity would keep."""

from pydantic import Field
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.core import schemas
from spark_jobs.core.column_values import COMPARABLE_TYPES, NUMBER_TYPES
from spark_jobs.core.columns import require_column_type, require_columns
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import SCORE, THRESHOLD, WNID
from spark_jobs.core.settings import InputAddress, OutputAddress, OutputFile, Settings
from spark_jobs.report.threshold_picture import threshold_picture
from spark_jobs.running.job import Job
from spark_jobs.scoring.thresholds import (
    histogram,
    informative_thresholds,
    kept_by_threshold,
    plan_lines,
    round_thresholds,
)
from spark_jobs.storage.outputs.files import write_output_file
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.tables import read_table


class PlanThreshold(Settings):
    """Settings of plan-threshold."""

    scores: InputAddress = Field(description="scores, or captions with a column of similarities")
    column: str = Field(SCORE, description="its column of similarities")
    class_column: str | None = Field(
        WNID, description="its column of classes; empty: there are none"
    )
    thresholds: list[float] | None = Field(
        None,
        min_length=1,
        description="the grid: rows are kept whose similarity is at least the threshold; default: "
        "-0.95 to 0.95 by 0.05",
    )
    picture: OutputFile | None = Field(None, description="file for the plan as a picture (SVG)")
    output: OutputAddress = Field(description="the plan, a row per distinct threshold")


def run(run: Run, settings: PlanThreshold) -> Counts:
    """Count the rows whose similarity is at least each threshold."""
    scored = run.read(settings.scores, schemas.EMPTY)
    _check_columns(scored, settings)
    grid = settings.thresholds or round_thresholds()
    plan_rows = kept_by_threshold(scored, settings.column, settings.class_column or None, grid)
    rows_by_bin = histogram(scored, settings.column)
    with_none = plan_rows.astype(object).where(plan_rows.notna(), None)  # NaN becomes null
    records = [tuple(row) for row in with_none.itertuples(index=False)]
    frame = run.spark.createDataFrame(records, schemas.SIMILARITY_PLAN)
    run.write(frame.coalesce(1), settings.output)
    if settings.picture is not None:
        write_output_file(settings.picture, [threshold_picture(plan_rows, rows_by_bin)])
    return {
        "rows_in": count_rows(scored),
        "scored": sum(rows_by_bin.values()),
        "thresholds": len(plan_rows),
    }


def _check_columns(scored: DataFrame, settings: PlanThreshold) -> None:
    """Raise MissingColumnError or InputDataError if a column is missing or of another type."""
    table = f"table {settings.scores}"
    require_columns(scored, table, filter(None, (settings.column, settings.class_column)))
    require_column_type(scored, table, settings.column, NUMBER_TYPES, "numbers")
    if settings.class_column:
        expected = "plain values for classes"
        require_column_type(scored, table, settings.class_column, COMPARABLE_TYPES, expected)


def closing_lines(spark: SparkSession, settings: PlanThreshold, _counts: Counts) -> list[str]:
    """The plan as a table, without thresholds that keep everything or nothing."""
    rows = read_table(spark, settings.output, schemas.SIMILARITY_PLAN).orderBy(THRESHOLD)
    return plan_lines(informative_thresholds(rows.toPandas()))


JOB = Job(
    "plan-threshold",
    "Show how many rows and classes each threshold on a similarity would keep.",
    PlanThreshold,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake plan-threshold --scores ./scored_captions \\\n"
        "  --column text_to_name_def_wnid_similarity --output ./thresholds"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
