"""Captions of several sources in one frame, and the sets of them that are measured."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    IntegerType,
    StringType,
    StructField,
    StructType,
)

from spark_jobs.core.columns import as_type, named
from spark_jobs.core.draws import Draw
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import CAPTION, CAPTION_ID, DRAW, GROUP, SOURCE, UID
from udfs.captioning.draw_bits import LEVELS
from udfs.captioning.packed_ngrams import GROUP_SET, SOURCE_SET
from udfs.captioning.scored_captions import IMAGE_COSINE, TEXT_COSINE

MOST_SETS = 10_000  # which the driver holds, with all their measures
WITHOUT_GROUP = "(none)"
_ROWS, _NO_UID = "_rows", "_no_uid"


@dataclass(frozen=True)
class CaptionSet:
    """Captions of a source, or those of one of its groups; `captions` without the null ones.

    `captions_by_level`: how many of these are in the sample of 2^-level of the images.
    """

    number: int
    source: str
    group: str | None
    rows: int
    captions: int
    captions_by_level: tuple[int, ...]


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
        draw.of(UID).alias(DRAW),
        _or_null(image_cosine).cast("double").alias(IMAGE_COSINE),
        _or_null(text_cosine).cast("double").alias(TEXT_COSINE),
    )


def _or_null(column: Column | None) -> Column:
    return F.lit(None) if column is None else column


def caption_sets(rows: DataFrame, tables: Sequence[str], *, is_split: bool) -> list[CaptionSet]:
    """Each source, then each group of each; a table without rows is a source of none.

    `is_split`: the sources are values of a column, so no table is a source by its name.
    Raises InputDataError if there are more than MOST_SETS, or a uid is null.
    """
    is_there = named(CAPTION).isNotNull()
    levels = [
        F.count_if(is_there & (named(DRAW) < 2.0**-level)).alias(f"level_{level}")
        for level in range(LEVELS)
    ]
    counted = (
        rows.groupBy(SOURCE, GROUP)
        .agg(F.count("*").alias(_ROWS), *levels, F.count_if(F.col(UID).isNull()).alias(_NO_UID))
        .orderBy(SOURCE, GROUP)
        .limit(MOST_SETS + 1)
        .collect()
    )
    if len(counted) > MOST_SETS:
        raise InputDataError(
            f"there are more than {MOST_SETS:,} sources and groups: these are no classes"
        )
    n_without_uid = sum(row[_NO_UID] for row in counted)
    if n_without_uid:
        raise InputDataError(f"uid is null in {n_without_uid:,} rows of the captions")
    empty = (0,) * (1 + LEVELS)
    totals = {} if is_split else dict.fromkeys(tables, empty)
    parts = []
    for source, group, *numbers, _ in counted:
        before = totals.get(source, empty)
        totals[source] = tuple(a + b for a, b in zip(before, numbers, strict=True))
        if group is not None:
            parts.append((source, group, tuple(numbers)))
    whole = [(source, None, numbers) for source, numbers in totals.items()]
    return [
        CaptionSet(number, source, group, numbers[0], numbers[1], tuple(numbers[1:]))
        for number, (source, group, numbers) in enumerate([*whole, *parts])
    ]


def with_sets(rows: DataFrame, sets: Sequence[CaptionSet]) -> DataFrame:
    """The rows with the numbers of the sets that each is in in place of source and group.

    source_set, and group_set, -1 without groups.
    """
    table = set_names(rows, sets)
    is_same = rows[SOURCE].eqNullSafe(table["_source"]) & rows[GROUP].eqNullSafe(table["_group"])
    joined = rows.join(F.broadcast(table), on=is_same, how="inner")
    return joined.drop("_source", "_group", SOURCE, GROUP)


def set_names(rows: DataFrame, sets: Sequence[CaptionSet]) -> DataFrame:
    """_source, _group, source_set, group_set of each source and of each group of each."""
    whole = {part.source: part.number for part in sets if part.group is None}
    numbers = [
        (part.source, part.group, whole[part.source], -1 if part.group is None else part.number)
        for part in sets
    ]
    schema = StructType(
        [
            *(StructField(name, StringType()) for name in ("_source", "_group")),
            *(StructField(name, IntegerType()) for name in (SOURCE_SET, GROUP_SET)),
        ]
    )
    return rows.sparkSession.createDataFrame(numbers, schema)


def cosine_column(column: str) -> Column:
    """A column of cosines, null where it holds no number."""
    value = as_type(column, "double")
    return F.when(~F.isnan(value), value)
