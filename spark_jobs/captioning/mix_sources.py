"""The columns of the sources whose captions are mixed, joined to the images."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame

from spark_jobs.core.columns import named
from spark_jobs.core.schemas import UID


@dataclass(frozen=True)
class SourceTable:
    """A table with columns of a source, called otherwise than any of the images', and its uid."""

    rows: DataFrame
    uid: str


@dataclass(frozen=True)
class SourceColumns:
    """The columns of a source's captions and scores; a score is null, or NaN, if there is none.

    `tables`: those of its columns that are not columns of the images, a row a uid at most.
    """

    caption: str
    score: str | None
    tables: Sequence[SourceTable] = ()


def with_sources(
    images: DataFrame, sources: Mapping[str, SourceColumns], names: Iterable[str]
) -> DataFrame:
    """The images with the columns of some sources, null where their tables have no row."""
    for table in (table for name in names for table in sources[name].tables):
        is_same = named(UID) == named(table.uid)
        images = images.join(table.rows, on=is_same, how="left").drop(table.uid)
    return images
