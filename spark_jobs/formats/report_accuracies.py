"""Read what a report shows of a run of evaluate-clip."""

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.run_records import RunRecord
from spark_jobs.core.schemas import CLASS, MEASURE, NAME, PREDICTED, VALUE
from spark_jobs.formats.report_tables import read_run_output
from spark_jobs.report.accuracies import ClassPoint, Evaluation

_MOST_CLASSES = 25_000
_MOST_MEASURES = 1_000


def evaluation(spark: SparkSession, run: RunRecord) -> Evaluation:
    """The measures of a run, and its classes with images, if it has any."""
    measures = read_run_output(spark, run, "output", schemas.EVALUATIONS).limit(_MOST_MEASURES)
    values = {(row["task"], row["set"], row[MEASURE]): row[VALUE] for row in measures.collect()}
    classes = []
    if "classes" in run.outputs:
        rows = read_run_output(spark, run, "classes", schemas.CLASS_ACCURACIES)
        with_images = rows.where(F.col("images") > 0).orderBy(CLASS).limit(_MOST_CLASSES)
        classes = [
            ClassPoint(
                *(row[NAME], row["images"], row["top1"], row[PREDICTED]),
                *(row["frequency"], row["part"]),
            )
            for row in with_images.collect()
        ]
    return Evaluation(values, classes)
