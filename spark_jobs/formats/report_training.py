"""Read what a report shows of a run of train-sentences or train-clip."""

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.columns import named
from spark_jobs.core.run_records import RunRecord
from spark_jobs.core.schemas import STEP
from spark_jobs.formats.report_tables import read_run_output
from spark_jobs.report.training import CLIP_LOSS, TrainingCurve

_MOST_POINTS = 400
_MOST_SCORES = 5_000
_LOSS, _DEV_SCORE, _RATE = "loss", "dev_score", "rows_per_s"


def training_curve(spark: SparkSession, run: RunRecord) -> TrainingCurve:
    """The losses of a training, as means over equal numbers of steps, and its dev scores."""
    steps = read_run_output(spark, run, "training", schemas.TRAINING)
    width, means = _means(run, steps, _RATE)
    scored = steps.where(F.col(_DEV_SCORE).isNotNull()).orderBy(STEP).limit(_MOST_SCORES)
    return TrainingCurve(
        losses=[(row[STEP], row[_LOSS]) for row in means],
        steps_a_point=width,
        dev_scores=[(row[STEP], row[_DEV_SCORE]) for row in scored.collect()],
        best_step=run.counts.get("best_step"),
        rows=run.counts["trained"],
        rows_per_s=_mean_rate(means),
    )


def clip_training_curve(spark: SparkSession, run: RunRecord) -> TrainingCurve:
    """The losses of a CLIP model's training, as means over those recorded of equal many steps."""
    steps = read_run_output(spark, run, "training", schemas.CLIP_TRAINING)
    width, means = _means(run, steps, "samples_per_s")
    return TrainingCurve(
        losses=[(row[STEP], row[_LOSS]) for row in means],
        steps_a_point=width,
        dev_scores=[],
        best_step=None,
        rows=run.counts["samples_seen"],
        rows_per_s=_mean_rate(means),
        items="samples",
        loss_is=CLIP_LOSS,
    )


def _means(run: RunRecord, steps: DataFrame, rate: str) -> tuple[int, list[Row]]:
    """Steps a point of a curve, and for each its last step, mean loss and mean rate."""
    width = max(1, -(-run.counts["steps"] // _MOST_POINTS))
    block = F.floor((F.col(STEP) - 1) / width)
    means = (
        steps.groupBy(block.alias("block"))
        .agg(
            F.max(STEP).alias(STEP),
            F.avg(_LOSS).alias(_LOSS),
            F.avg(named(rate)).alias(_RATE),
        )
        .orderBy(STEP)
    )
    return width, means.collect()


def _mean_rate(means: list[Row]) -> float:
    return float(sum(row[_RATE] for row in means)) / max(len(means), 1)
