"""Rows of a corpus that are in benchmark sets: equal ones, the worst of each row, those left."""

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.columns import keys, named, with_non_null_caption_id
from spark_jobs.core.schemas import (
    BENCHMARK,
    CAPTION_ID,
    CONTAMINATED,
    ITEM,
    MEASURE,
    VALUE,
)
from spark_jobs.images.components import NODE

_BEST = "best"

PAPERS = ("unmet-promise, decontamination: images too similar to those of a benchmark go",)


def found_by_equality(rows: DataFrame, items: DataFrame) -> DataFrame:
    """Keys of the rows, benchmark, item and value (null), where the nodes are equal.

    rows: keys and node. items: benchmark, item and node; of equal ones the first by name.
    """
    first_items = items.groupBy(BENCHMARK, NODE).agg(F.min(ITEM).alias(ITEM))
    found = rows.where(F.col(NODE).isNotNull()).join(first_items, on=NODE, how="inner")
    return found.select(*keys(rows), BENCHMARK, ITEM, F.lit(None).cast("double").alias(VALUE))


def contaminated_rows(found: DataFrame, measure: str) -> DataFrame:
    """What was found, as schemas.CONTAMINATED."""
    has_caption_id = CAPTION_ID in found.columns
    caption_id = F.col(CAPTION_ID) if has_caption_id else F.lit(None)
    columns = {CAPTION_ID: caption_id.cast("int"), MEASURE: F.lit(measure)}
    return found.withColumns(columns).select(*CONTAMINATED.names)


def without_contaminated(rows: DataFrame, contaminated: DataFrame) -> DataFrame:
    """The rows that are in no benchmark, as they were."""
    by = keys(rows)
    found = with_non_null_caption_id(contaminated.select(*by)).toDF(*(f"_{key}" for key in by))
    is_row = named(by[0]) == named(f"_{by[0]}")
    if CAPTION_ID in by:
        is_row &= F.coalesce(CAPTION_ID, F.lit(-1)) == F.col(f"_{CAPTION_ID}")
    return rows.join(found, on=is_row, how="left_anti")


def with_nearest_benchmark(
    rows: DataFrame, contaminated: DataFrame, benchmarks: Sequence[str], *, largest_is_nearest: bool
) -> DataFrame:
    """The keys of the rows, with benchmark, item and value of the nearest; null if in none.

    Of equally near benchmarks the first in the list. largest_is_nearest: the values are products,
    not distances.
    """
    by = keys(rows)
    places = (F.when(F.col(BENCHMARK) == name, place) for place, name in enumerate(benchmarks))
    distance = -F.col(VALUE) if largest_is_nearest else F.col(VALUE)
    nearest = F.struct(
        distance.alias("distance"), F.coalesce(*places).alias("place"), BENCHMARK, ITEM, VALUE
    )
    found = with_non_null_caption_id(contaminated.select(*by, BENCHMARK, ITEM, VALUE))
    best = found.groupBy(*by).agg(F.min(nearest).alias(_BEST))
    joined = with_non_null_caption_id(rows.select(*by)).join(best, on=by, how="left")
    if CAPTION_ID in by:
        is_one = F.col(CAPTION_ID) != -1
        joined = joined.withColumn(CAPTION_ID, F.when(is_one, F.col(CAPTION_ID)))
    parts = (F.col(_BEST).getField(name).alias(name) for name in (BENCHMARK, ITEM, VALUE))
    return joined.select(*by, *parts)
