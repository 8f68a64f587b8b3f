"""Rows of a corpus that are in benchmark sets: equal ones, the worst of each row, those left."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
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
from spark_jobs.images.comparing import HASH_KINDS
from spark_jobs.images.components import NODE

PAPERS = ("unmet-promise: images too similar to those of a benchmark are dropped",)


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
    if CAPTION_ID not in rows.columns:
        return rows.join(contaminated, on=keys(rows), how="left_anti").select(
            *map(named, rows.columns)
        )
    found = with_non_null_caption_id(contaminated).select(
        *(F.col(k).alias(f"_{k}") for k in keys(rows))
    )
    is_row = [F.coalesce(F.col(CAPTION_ID), F.lit(-1)) == F.col(f"_{CAPTION_ID}")]
    is_row.append(F.col(keys(rows)[0]) == F.col(f"_{keys(rows)[0]}"))
    return rows.join(found, on=is_row, how="left_anti")


def with_nearest_benchmark(
    rows: DataFrame, contaminated: DataFrame, benchmarks: Sequence[str]
) -> DataFrame:
    """The keys of the rows, with benchmark, item and value of the nearest; null if in none.

    Of equally near benchmarks the first in the list.
    """
    by = keys(rows)
    order = F.array_position(F.array(*map(F.lit, benchmarks)), F.col(BENCHMARK))
    nearest = F.struct(_distance().alias("distance"), order.alias("order"), BENCHMARK, ITEM, VALUE)
    best = with_non_null_caption_id(contaminated.select(*by, MEASURE, BENCHMARK, ITEM, VALUE))
    best = best.groupBy(*by).agg(F.min(nearest).alias("best"))
    row_keys = with_non_null_caption_id(rows.select(*by))
    joined = row_keys.join(best, on=by, how="left")
    if CAPTION_ID in by:
        real_id = F.when(F.col(CAPTION_ID) != -1, F.col(CAPTION_ID))
        joined = joined.withColumn(CAPTION_ID, real_id)
    return joined.select(
        *by, *(F.col(f"best.{name}").alias(name) for name in (BENCHMARK, ITEM, VALUE))
    )


def _distance() -> Column:
    """A number that is smaller for nearer items: bits, or minus the inner product."""
    return F.when(F.col(MEASURE).isin(*HASH_KINDS), F.col(VALUE)).otherwise(-F.col(VALUE))
