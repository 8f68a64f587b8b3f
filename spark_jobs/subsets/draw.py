"""Draw exactly so many rows of each class, however large one of them is.

A row's draw is that of its key; a class's n rows are those with its n smallest draws. Where
the n-th stands follows from the counts but for chance, so that only the draws near it are looked
at: no class is sorted or sent to one task, and the rows themselves are filtered where they are.
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
_PLACE, _BEFORE, _SO_FAR = "_place", "_n", "_so_far"
_ALL_DRAWS = 2.0  # above every draw

# Where a class is cut: the draw of its last row, and that row's key.
Place = tuple[Any, ...]


def count_classes(rows: DataFrame, column: str) -> dict[Class, int]:
    """Rows of each class, sorted by class; those without a class are not counted.

    Raises InputDataError where there are so many that the column can hold no classes.
    """
    value = named(column).alias(_CLASS)
    classes = rows.where(named(column).isNotNull()).groupBy(value).agg(F.count("*").alias(_BEFORE))
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
    return dict(zip(ordered[_CLASS].to_pylist(), ordered[_BEFORE].to_pylist(), strict=True))


def of_classes(rows: DataFrame, column: str, classes: Iterable[Class]) -> DataFrame:
    """The rows of these classes."""
    listed = class_table(rows, column, dict.fromkeys(classes, ()), [])
    return rows.join(F.broadcast(listed), on=column, how="left_semi")


def places(
    rows: DataFrame,
    column: str,
    wanted: Mapping[Class, int],
    counts: Mapping[Class, int],
    *,
    draw: Draw,
    deviations: float = _DEVIATIONS,
) -> dict[Class, Place]:
    """Where each class is cut so that it keeps `wanted` rows of its `counts`.

    Classes of which nothing is wanted have no place. One more pass over keys and classes.
    """
    at_end = (_ALL_DRAWS, *(None for _ in keys(rows)))
    found: dict[Class, Place] = {
        key: at_end for key, n in wanted.items() if n >= counts.get(key, 0) > 0
    }
    partly = {key: n for key, n in wanted.items() if 0 < n < counts.get(key, 0)}
    while partly:
        bounds = {key: _bounds(n, counts[key], deviations) for key, n in partly.items()}
        cut = _places_between(rows, column, partly, bounds, draw)
        found |= cut
        partly = {key: n for key, n in partly.items() if key not in cut}
        deviations = math.inf  # all draws of those that chance has put outside
    return found


def is_drawn(rows: DataFrame, place: Column, *, draw: Draw) -> Column:
    """Whether a row is at or before its class's place, a struct column; not where it has none."""
    return F.coalesce(_place_of(rows, draw) <= place, F.lit(False))


def place_kind(rows: DataFrame) -> StructType:
    """The type of a place."""
    return _nullable(
        StructType([StructField(DRAW, DoubleType()), *(rows.schema[key] for key in keys(rows))])
    )


def class_table(
    rows: DataFrame,
    column: str,
    known: Mapping[Class, tuple[Any, ...]],
    columns: Sequence[StructField],
) -> DataFrame:
    """A small table of what is known of each class, to be joined to the rows."""
    schema = _nullable(StructType([rows.schema[column], *columns]))
    return rows.sparkSession.createDataFrame([(key, *told) for key, told in known.items()], schema)


def first_rows(
    rows: DataFrame,
    column: str,
    wanted: Mapping[Class, int],
    counts: Mapping[Class, int],
    *,
    draw: Draw,
) -> DataFrame:
    """Of each class the `wanted` rows with the smallest draws, all where it has no more."""
    place = free_name(rows, _PLACE)
    place_of = places(rows, column, wanted, counts, draw=draw)
    values = {key: (value,) for key, value in place_of.items()}
    table = class_table(rows, column, values, [StructField(place, place_kind(rows))])
    joined = rows.join(F.broadcast(table), on=column)
    drawn = joined.where(is_drawn(joined, named(place), draw=draw))
    return drawn.select(*map(named, rows.columns))


def _bounds(n: int, count: int, deviations: float) -> tuple[float, float]:
    """Draws between which the n-th smallest of `count` is."""
    if math.isinf(deviations):
        return 0.0, _ALL_DRAWS
    share = n / count
    margin = deviations * math.sqrt(count * share * (1 - share)) + deviations
    return (n - margin) / count, (n + margin) / count


def _places_between(
    rows: DataFrame,
    column: str,
    wanted: Mapping[Class, int],
    bounds: Mapping[Class, tuple[float, float]],
    draw: Draw,
) -> dict[Class, Place]:
    """The places of those classes that are cut between their bounds.

    Of each class the rows below its bounds are counted together, those between them one by one.
    """
    of_class = {key: (float(wanted[key]), *bounds[key]) for key in wanted}
    columns = [StructField(name, DoubleType()) for name in (_WANTED, _LOW, _HIGH)]
    keyed = rows.select(named(column).alias(_CLASS), *keys(rows))
    table = class_table(keyed, _CLASS, of_class, columns)
    near = keyed.join(F.broadcast(table), on=_CLASS)
    place = _place_of(near, draw)
    between = F.when(place[DRAW] >= F.col(_LOW), place).alias(_PLACE)
    counted = (
        near.where(place[DRAW] < F.col(_HIGH))
        .groupBy(_CLASS, _WANTED, between)
        .agg(F.count("*").alias(_BEFORE))
    )
    in_order = Window.partitionBy(_CLASS).orderBy(F.col(_PLACE).asc_nulls_first())
    so_far = F.sum(_BEFORE).over(in_order.rowsBetween(Window.unboundedPreceding, 0))
    reached = counted.withColumn(_SO_FAR, so_far).where(
        (F.col(_SO_FAR) >= F.col(_WANTED)) & (F.col(_SO_FAR) - F.col(_BEFORE) < F.col(_WANTED))
    )
    cut = reached.where(F.col(_PLACE).isNotNull()).select(_CLASS, _PLACE).collect()
    return {row[_CLASS]: tuple(row[_PLACE]) for row in cut}


def _place_of(rows: DataFrame, draw: Draw) -> Column:
    by = keys(rows)
    return F.struct(draw.of(*by).alias(DRAW), *by)


def _nullable(schema: StructType) -> StructType:
    """As a local table has it."""
    return StructType([StructField(f.name, _plain(f.dataType)) for f in schema])


def _plain(kind: DataType) -> DataType:
    return _nullable(kind) if isinstance(kind, StructType) else kind
