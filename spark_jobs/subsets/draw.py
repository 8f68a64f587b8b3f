"""Draw an exact number of rows of each class, however large a class is.

A row's draw is a hash of its key; a class keeps the n rows with the n smallest draws. The n-th
smallest draw of a class is known from its row count up to sampling error, so one pass over keys
needs to compare only the draws near it: no class is sorted or shuffled to one task, and the rows
themselves are filtered in their partitions.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DoubleType, StructField, StructType

from spark_jobs.core.arrow_collecting import record_batches
from spark_jobs.core.columns import free_name, keys, named
from spark_jobs.core.draws import Draw
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import DRAW
from spark_jobs.subsets.class_list import Class

MOST_CLASSES = 1_000_000  # which the driver holds, in about 0.7 GB
_DEVIATIONS = 7  # standard deviations around the n-th draw: missed once in 4e11 classes
_CLASS, _WANTED, _LOW, _HIGH = "_class", "_want", "_low", "_high"
_CUTOFF, _N_ROWS, _CUMULATIVE = "_cutoff", "_n", "_cumulative"
_ABOVE_ALL_DRAWS = 2.0

# (draw, *key) of the last row that a class keeps.
Cutoff = tuple[Any, ...]


def count_classes(rows: DataFrame, column: str) -> dict[Class, int]:
    """Count the rows of each class, sorted by class; rows without a class are not counted.

    Raises InputDataError if there are more than MOST_CLASSES classes.
    """
    value = named(column).alias(_CLASS)
    classes = rows.where(named(column).isNotNull()).groupBy(value).agg(F.count("*").alias(_N_ROWS))
    batches = list(record_batches(classes.limit(MOST_CLASSES + 1)))
    if not batches:
        return {}
    counts = pa.Table.from_batches(batches)
    if len(counts) > MOST_CLASSES:
        raise InputDataError(
            f"column {column!r} holds more than {MOST_CLASSES:,} different values: these are no "
            "classes"
        )
    ordered = counts.sort_by(_CLASS)
    return dict(zip(ordered[_CLASS].to_pylist(), ordered[_N_ROWS].to_pylist(), strict=True))


def rows_of_classes(rows: DataFrame, column: str, classes: Iterable[Class]) -> DataFrame:
    """Keep the rows whose class is one of `classes`."""
    listed_classes = class_table(rows, column, dict.fromkeys(classes, ()), [])
    return rows.join(F.broadcast(listed_classes), on=column, how="left_semi")


def cutoffs(
    rows: DataFrame,
    column: str,
    wanted: Mapping[Class, int],
    counts: Mapping[Class, int],
    *,
    draw: Draw,
    deviations: float = _DEVIATIONS,
) -> dict[Class, Cutoff]:
    """Find the cutoff of each class that leaves it `wanted` of its `counts` rows.

    Classes that keep no row have no cutoff. Takes one pass over keys and classes, and another for
    those whose cutoff lies more than `deviations` standard deviations from where it is expected.
    """
    keep_all = (_ABOVE_ALL_DRAWS, *(None for _ in keys(rows)))
    cutoff_of: dict[Class, Cutoff] = {
        key: keep_all for key, n in wanted.items() if n >= counts.get(key, 0) > 0
    }
    not_found = {key: n for key, n in wanted.items() if 0 < n < counts.get(key, 0)}
    while not_found:
        bounds = {key: _bounds(n, counts[key], deviations) for key, n in not_found.items()}
        within_bounds = _cutoffs_between(rows, column, not_found, bounds, draw)
        cutoff_of |= within_bounds
        not_found = {key: n for key, n in not_found.items() if key not in within_bounds}
        deviations = math.inf  # the second pass compares all draws of these classes
    return cutoff_of


def is_within_cutoff(rows: DataFrame, cutoff: Column, *, draw: Draw) -> Column:
    """Whether a row's (draw, key) is at most its class's cutoff, a struct; false without one."""
    return F.coalesce(_draw_and_key(rows, draw) <= cutoff, F.lit(False))


def cutoff_type(rows: DataFrame) -> StructType:
    """The type of a cutoff as a column."""
    return _nullable(
        StructType([StructField(DRAW, DoubleType()), *(rows.schema[key] for key in keys(rows))])
    )


def class_table(
    rows: DataFrame,
    column: str,
    values_by_class: Mapping[Class, tuple[Any, ...]],
    columns: Sequence[StructField],
) -> DataFrame:
    """A small table with a row per class: the class and its values, to be joined to the rows."""
    schema = _nullable(StructType([rows.schema[column], *columns]))
    class_rows = [(key, *values) for key, values in values_by_class.items()]
    return rows.sparkSession.createDataFrame(class_rows, schema)


def draw_per_class(
    rows: DataFrame,
    column: str,
    wanted: Mapping[Class, int],
    counts: Mapping[Class, int],
    *,
    draw: Draw,
) -> DataFrame:
    """The `wanted` rows of each class with the smallest draws, all rows if it has no more."""
    cutoff = free_name(rows, _CUTOFF)
    cutoff_of = cutoffs(rows, column, wanted, counts, draw=draw)
    values = {key: (value,) for key, value in cutoff_of.items()}
    table = class_table(rows, column, values, [StructField(cutoff, cutoff_type(rows))])
    with_cutoff = rows.join(F.broadcast(table), on=column)
    drawn = with_cutoff.where(is_within_cutoff(with_cutoff, named(cutoff), draw=draw))
    return drawn.select(*map(named, rows.columns))


def _bounds(n: int, count: int, deviations: float) -> tuple[float, float]:
    """Draws (low, high) between which the n-th smallest of `count` uniform draws lies."""
    if math.isinf(deviations):
        return 0.0, _ABOVE_ALL_DRAWS
    share = n / count
    margin = deviations * math.sqrt(count * share * (1 - share)) + deviations
    return (n - margin) / count, (n + margin) / count


def _cutoffs_between(
    rows: DataFrame,
    column: str,
    wanted: Mapping[Class, int],
    bounds: Mapping[Class, tuple[float, float]],
    draw: Draw,
) -> dict[Class, Cutoff]:
    """The cutoffs of those classes whose cutoff lies between their bounds.

    The rows of a class below its bounds are one group, each row between them a group of its own;
    the cutoff is the group at which the cumulative row count reaches `wanted`.
    """
    per_class = {key: (float(wanted[key]), *bounds[key]) for key in wanted}
    columns = [StructField(name, DoubleType()) for name in (_WANTED, _LOW, _HIGH)]
    keyed = rows.select(named(column).alias(_CLASS), *keys(rows))
    table = class_table(keyed, _CLASS, per_class, columns)
    with_bounds = keyed.join(F.broadcast(table), on=_CLASS)
    draw_and_key = _draw_and_key(with_bounds, draw)
    group = F.when(draw_and_key[DRAW] >= F.col(_LOW), draw_and_key).alias(_CUTOFF)
    counted = (
        with_bounds.where(draw_and_key[DRAW] < F.col(_HIGH))
        .groupBy(_CLASS, _WANTED, group)
        .agg(F.count("*").alias(_N_ROWS))
    )
    ascending = Window.partitionBy(_CLASS).orderBy(F.col(_CUTOFF).asc_nulls_first())
    cumulative = F.sum(_N_ROWS).over(ascending.rowsBetween(Window.unboundedPreceding, 0))
    reaches_wanted = counted.withColumn(_CUMULATIVE, cumulative).where(
        (F.col(_CUMULATIVE) >= F.col(_WANTED))
        & (F.col(_CUMULATIVE) - F.col(_N_ROWS) < F.col(_WANTED))
    )
    is_single_row = F.col(_CUTOFF).isNotNull()  # null: the group of all rows below the bounds
    cutoff_rows = reaches_wanted.where(is_single_row).select(_CLASS, _CUTOFF).collect()
    return {row[_CLASS]: tuple(row[_CUTOFF]) for row in cutoff_rows}


def _draw_and_key(rows: DataFrame, draw: Draw) -> Column:
    key_columns = keys(rows)
    return F.struct(draw.of(*key_columns).alias(DRAW), *key_columns)


def _nullable(schema: StructType) -> StructType:
    """The schema with all fields nullable and without metadata, nested structs too."""
    return StructType([StructField(f.name, _without_metadata(f.dataType)) for f in schema])


def _without_metadata(data_type: DataType) -> DataType:
    return _nullable(data_type) if isinstance(data_type, StructType) else data_type
