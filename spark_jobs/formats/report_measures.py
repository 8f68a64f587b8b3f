"""Read what a report shows of a run of measure-captions."""

from collections.abc import Iterable

from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from spark_jobs.captioning.measure_diversity import OF_SAMPLE
from spark_jobs.captioning.measure_table import HISTOGRAM
from spark_jobs.core import schemas
from spark_jobs.core.run_records import RunRecord
from spark_jobs.core.schemas import AT, GROUP, HIGH, LOW, MEASURE, SOURCE, VALUE, N
from spark_jobs.formats.report_tables import read_run_output
from spark_jobs.report.caption_measures import Measured, SourceMeasures

_MOST_ROWS = 20_000
_IMAGE_HISTOGRAM, _TRIGRAMS = f"cosine_image{HISTOGRAM}", f"unique_trigrams{OF_SAMPLE}"


def source_measures(spark: SparkSession, run: RunRecord) -> dict[str, SourceMeasures]:
    """The measures of each source, in alphabetical order; those of groups are left out."""
    rows = read_run_output(spark, run, "output", schemas.MEASURES).where(F.col(GROUP).isNull())
    by_source: dict[str, list[Row]] = {}
    for row in rows.orderBy(SOURCE, MEASURE, AT).limit(_MOST_ROWS).collect():
        by_source.setdefault(row[SOURCE], []).append(row)
    return {source: _measures(rows) for source, rows in by_source.items()}


def _measures(rows: Iterable[Row]) -> SourceMeasures:
    measures: dict[str, Measured] = {}
    bars: dict[float, int] = {}
    trigrams: list[tuple[int, float]] = []
    for row in rows:
        if row[AT] is None:
            measures[row[MEASURE]] = Measured(row[VALUE], row[LOW], row[HIGH])
        elif row[MEASURE] == _IMAGE_HISTOGRAM:
            bars[row[AT]] = row[N]
        elif row[MEASURE] == _TRIGRAMS:
            trigrams.append((row[N], row[VALUE]))
    n_captions = measures["captions"].value if "captions" in measures else 0
    return SourceMeasures(int(n_captions), measures, bars, trigrams)
