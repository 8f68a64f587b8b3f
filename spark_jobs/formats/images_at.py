"""Images at an address: a table with a column of images, or shards, parquet and files of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.columns import (
    named,
    require_column_type,
    require_columns,
    with_image_bytes,
)
from spark_jobs.core.schemas import FAULT, IMAGE, KEY, UID, UIDS
from spark_jobs.core.unique_keys import refuse_repeated_or_null_keys
from spark_jobs.formats.image_files import list_image_files, read_image_files
from spark_jobs.storage.run import Run
from udfs.images.samples import POSITION

_REMEDY = "expected one row a uid"


@dataclass(frozen=True)
class Images:
    """Rows of uid, key, position in their source, image and fault; the tables that are read."""

    rows: DataFrame
    tables: Sequence[DataFrame]


def read_images(run: Run, source: str) -> Images:
    """The images at an address, with their bytes; those of files may share a uid.

    Raises InputDataError or MissingColumnError if there is no image, or a uid in several rows of a
    table.
    """
    if not run.reads_table(source):
        files = list_image_files(run.spark, parse_address(source).location)
        rows = read_image_files(run.spark, files, "format").where(F.col(UID).isNotNull())
        return Images(rows.select(UID, KEY, POSITION, IMAGE, FAULT), [])
    table = read_image_table(run, source)
    rows = table.select(
        UID,
        text_or(table, KEY, UID).alias(KEY),
        F.lit(0).cast("long").alias(POSITION),
        IMAGE,
        text_or(table, FAULT, None).alias(FAULT),
    )
    return Images(rows, [table])


def read_image_table(run: Run, source: str) -> DataFrame:
    """A table with a row a uid and a column `image` of bytes."""
    rows = with_image_bytes(run.read(source, UIDS), IMAGE)
    require_columns(rows, f"table {source}", [IMAGE])
    require_column_type(rows, f"table {source}", IMAGE, (BinaryType,), "encoded images")
    refuse_repeated_or_null_keys(rows, [UID], source, _REMEDY)
    return rows


def text_or(rows: DataFrame, name: str, other: str | None) -> Column:
    """A column of text where the rows have it, else another one, or null."""
    default = F.lit(None).cast("string") if other is None else named(other)
    return F.coalesce(named(name), default) if name in rows.columns else default
