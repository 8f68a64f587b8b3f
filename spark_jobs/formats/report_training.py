"""Read what a report shows of a run of train-sentences."""

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.run_records import RunRecord
from spark_jobs.core.schemas import STEP
from spark_jobs.formats.report_tables import read_run_output
from spark_jobs.report.training import TrainingCurve

_MOST_POINTS = 400
_MOST_SCORES = 5_000
_LOSS, _DEV_SCORE, _RATE = "loss", "dev_score", "rows_per_s"


def training_curve(spark: SparkSession, run: RunRecord) -> TrainingCurve:
    """The losses of a training, as means over equal numbers of steps, and its dev scores."""
    steps = read_run_output(spark, run, "training", schemas.TRAINING)
    width = max(1, -(-run.counts["steps"] // _MOST_POINTS))
    block = F.floor((F.col(STEP) - 1) / width)
    means = (
        steps.groupBy(block.alias("block"))
        .agg(
            F.max(STEP).alias(STEP),
            F.avg(_LOSS).alias(_LOSS),
            F.avg(_RATE).alias(_RATE),
        )
        .orderBy(STEP)
        .collect()
    )
    scored = steps.where(F.col(_DEV_SCORE).isNotNull()).orderBy(STEP).limit(_MOST_SCORES)
    return TrainingCurve(
        losses=[(row[STEP], row[_LOSS]) for row in means],
        steps_a_point=width,
        dev_scores=[(row[STEP], row[_DEV_SCORE]) for row in scored.collect()],
        best_step=run.counts.get("best_step"),
        rows=run.counts["trained"],
        rows_per_s=sum(row[_RATE] for row in means) / max(len(means), 1),
    )
