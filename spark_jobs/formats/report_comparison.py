"""Read what a report shows of a run of compare-evaluations."""

from pyspark.sql import Row, SparkSession

from spark_jobs.comparing.models import Compared, Interval, subsets_of
from spark_jobs.core import schemas
from spark_jobs.core.run_records import RunRecord
from spark_jobs.core.schemas import (
    DIFFERENCE_HIGH,
    DIFFERENCE_LOW,
    HIGH,
    LOW,
    MEAN,
    MEAN_DIFFERENCE,
    MEASURE,
)
from spark_jobs.formats.report_tables import read_run_output

_MOST_ROWS = 20_000


def compared_measures(spark: SparkSession, run: RunRecord) -> list[Compared]:
    """The measures by task, set and name, each for the subsets in the order of the run."""
    order = {name: n for n, name in enumerate(subsets_of(run.settings["evaluations"]))}
    rows = read_run_output(spark, run, "output", schemas.COMPARISONS)
    compared = map(_compared, rows.limit(_MOST_ROWS).collect())
    return sorted(compared, key=lambda row: (*row[1:4], order[row.subset]))


def _compared(row: Row) -> Compared:
    difference = None
    if row[MEAN_DIFFERENCE] is not None:
        difference = Interval(
            row[MEAN_DIFFERENCE], row[DIFFERENCE_LOW], row[DIFFERENCE_HIGH], row["models"]
        )
    value = Interval(row[MEAN], row[LOW], row[HIGH], row["models"])
    return Compared(row["subset"], row["task"], row["set"], row[MEASURE], value, difference)
