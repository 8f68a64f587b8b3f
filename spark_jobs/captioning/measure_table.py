"""The long table of measures: schemas.MEASURES from what each measurement gives."""

from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.captioning.measured_captions import SET, CaptionSet, named_sets
from spark_jobs.core.columns import named
from spark_jobs.core.schemas import AT, GROUP, HIGH, LOW, MEASURE, MEASURES, SOURCE, VALUE, N
from spark_jobs.core.unions import union_all

BIN_WIDTH = 0.02  # of the histograms of cosines, which go from -1 to 1
HISTOGRAM = "_histogram"
MeasureRow = tuple[str, str, str | None, float | None, float, float | None, float | None, int]


def measure_rows(
    spark: SparkSession,
    sets: Sequence[CaptionSet],
    by_set: Sequence[DataFrame],
    histograms: DataFrame,
    further: Sequence[MeasureRow],
) -> DataFrame:
    """All measures. `by_set`: frames with a column `set`; n is the set's captions if they have none."""
    captions = spark.createDataFrame(
        [(s.number, s.captions) for s in sets], f"{SET} int, _n bigint"
    )
    parts = []
    for rows in by_set:
        if N not in rows.columns:
            rows = rows.join(F.broadcast(captions), on=SET, how="inner").withColumnRenamed("_n", N)
        parts.append(named_sets(spark, rows.withColumn(AT, F.lit(None).cast("double")), sets))
    parts.append(spark.createDataFrame(list(further), MEASURES))
    return union_all(rows.select(*MEASURES.names) for rows in (*parts, histograms))


def row_measures(sets: Sequence[CaptionSet]) -> list[MeasureRow]:
    """What became of the rows of each set: `rows`, and `null_captions`, which are not measured."""
    rows: list[MeasureRow] = []
    for part in sets:
        for measure, value in (("rows", part.rows), ("null_captions", part.rows - part.captions)):
            rows.append(
                (measure, part.source, part.group, None, float(value), None, None, part.rows)
            )
    return rows


def histogram_rows(scored: DataFrame, cosines: Sequence[str]) -> DataFrame:
    """How many captions of each source have a cosine in each bin, by the bin's lower end."""
    parts = [_histogram(scored, cosine) for cosine in cosines]
    return union_all(parts)


def _histogram(scored: DataFrame, cosine: str) -> DataFrame:
    lowest = F.floor(named(cosine) / BIN_WIDTH) * BIN_WIDTH
    counted = (
        scored.where(named(cosine).isNotNull())
        .groupBy(SOURCE, F.round(lowest, 2).alias(AT))
        .agg(F.count("*").alias(N))
    )
    nothing = F.lit(None).cast("double")
    return counted.select(
        F.lit(f"{cosine}{HISTOGRAM}").alias(MEASURE),
        SOURCE,
        F.lit(None).cast("string").alias(GROUP),
        AT,
        F.col(N).cast("double").alias(VALUE),
        nothing.alias(LOW),
        nothing.alias(HIGH),
        N,
    )
