"""Captions of several sources in one frame, and the sets of them that are measured."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    IntegerType,
    StringType,
    StructField,
    StructType,
)

from spark_jobs.core.columns import as_type, named
from spark_jobs.core.draws import Draw
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import CAPTION, CAPTION_ID, DRAW, GROUP, SOURCE, UID

SETS, SET = "sets", "set"
IMAGE_COSINE, TEXT_COSINE = "_image", "_text"
MOST_SETS = 100_000  # which the driver holds
WITHOUT_GROUP = "(none)"
_ROWS, _NULLS = "_rows", "_nulls"


@dataclass(frozen=True)
class CaptionSet:
    """Captions of a source, or those of one of its groups; `captions` without the null ones."""

    number: int
    source: str
    group: str | None
    rows: int
    captions: int


def source_rows(
    rows: DataFrame,
    *,
    name: str,
    source_column: str | None,
    is_one_of_several: bool,
    group: Column | None,
    image_cosine: Column | None,
    text_cosine: Column | None,
    draw: Draw,
) -> DataFrame:
    """Rows of one table: uid, caption_id, source, group, caption, draw, and two cosines.

    These are the caption's to its image, and its largest to a reference; null where not known.

    `source_column`: whose values are the sources; a table without one is a source by its `name`.
    """
    source = F.lit(name)
    if source_column is not None:
        value = F.coalesce(named(source_column).cast("string"), F.lit(WITHOUT_GROUP))
        source = F.concat(F.lit(f"{name}/"), value) if is_one_of_several else value
    caption_id = named(CAPTION_ID) if CAPTION_ID in rows.columns else F.lit(None).cast("int")
    return rows.select(
        UID,
        caption_id.alias(CAPTION_ID),
        source.alias(SOURCE),
        _or_null(None if group is None else F.coalesce(group, F.lit(WITHOUT_GROUP)))
        .cast("string")
        .alias(GROUP),
        CAPTION,
        # A null uid has a draw too; its caption is of an image of its own.
        draw.of(UID).alias(DRAW),
        _or_null(image_cosine).cast("double").alias(IMAGE_COSINE),
        _or_null(text_cosine).cast("double").alias(TEXT_COSINE),
    )


def _or_null(column: Column | None) -> Column:
    return F.lit(None) if column is None else column


def caption_sets(rows: DataFrame, tables: Sequence[str], *, is_split: bool) -> list[CaptionSet]:
    """Each source, then each group of each; a table without rows is a source of none.

    `is_split`: the sources are values of a column, so no table is a source by its name.
    Raises InputDataError if there are more than MOST_SETS.
    """
    counted = (
        rows.groupBy(SOURCE, GROUP)
        .agg(F.count("*").alias(_ROWS), F.count_if(named(CAPTION).isNull()).alias(_NULLS))
        .orderBy(SOURCE, GROUP)
        .limit(MOST_SETS + 1)
        .collect()
    )
    if len(counted) > MOST_SETS:
        raise InputDataError(f"there are more than {MOST_SETS:,} groups of captions: no classes")
    totals: dict[str, tuple[int, int]] = {} if is_split else dict.fromkeys(tables, (0, 0))
    for row in counted:
        n_rows, n_nulls = totals.get(row[SOURCE], (0, 0))
        totals[row[SOURCE]] = (n_rows + row[_ROWS], n_nulls + row[_NULLS])
    whole = [(source, None, n, n - nulls) for source, (n, nulls) in totals.items()]
    parts = [
        (row[SOURCE], row[GROUP], row[_ROWS], row[_ROWS] - row[_NULLS])
        for row in counted
        if row[GROUP] is not None
    ]
    return [CaptionSet(number, *values) for number, values in enumerate([*whole, *parts])]


def with_sets(spark: SparkSession, rows: DataFrame, sets: Sequence[CaptionSet]) -> DataFrame:
    """The rows with `sets`, the numbers of the sets that each is in: its source, and its group."""
    numbers: dict[tuple[str, str | None], list[int]] = {}
    whole = {part.source: part.number for part in sets if part.group is None}
    for part in sets:
        numbers[part.source, part.group] = sorted({whole[part.source], part.number})
    schema = StructType(
        [
            StructField("_source", StringType()),
            StructField("_group", StringType()),
            StructField(SETS, ArrayType(IntegerType())),
        ]
    )
    table = spark.createDataFrame([(*key, value) for key, value in numbers.items()], schema)
    is_same = rows[SOURCE].eqNullSafe(table["_source"]) & rows[GROUP].eqNullSafe(table["_group"])
    return rows.join(F.broadcast(table), on=is_same, how="inner").drop("_source", "_group")


def named_sets(spark: SparkSession, rows: DataFrame, sets: Sequence[CaptionSet]) -> DataFrame:
    """Rows with a column `set`, with source and group in its place."""
    schema = StructType(
        [
            StructField(SET, IntegerType()),
            StructField(SOURCE, StringType()),
            StructField(GROUP, StringType()),
        ]
    )
    table = spark.createDataFrame([(s.number, s.source, s.group) for s in sets], schema)
    return rows.join(F.broadcast(table), on=SET, how="inner").drop(SET)


def cosine_column(column: str) -> Column:
    """A column of cosines, null where it holds no number."""
    value = as_type(column, "double")
    return F.when(~F.isnan(value), value)
