"""What rows are compared by: hash of the bytes, url, perceptual hash, or text."""

from typing import Literal, TypeAlias, get_args

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, IntegralType, StringType, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import (
    as_type,
    named,
    require_column_type,
    require_columns,
    with_image_bytes,
)
from spark_jobs.core.errors import MissingColumnError
from spark_jobs.core.schemas import FAULT, IMAGE, SHA256, URL
from spark_jobs.images.components import NODE
from spark_jobs.images.perceptual_hashes import with_hashes
from udfs.images.perceptual_hash import HashKind
from udfs.text.normalising import normalise_texts

ValueKind: TypeAlias = Literal["sha256", "url", "phash", "dhash", "text", "normalised_text"]
HASH_KINDS: tuple[HashKind, ...] = get_args(HashKind)
DEFAULT_DISTANCE = 4  # bits of 64
MOST_DISTANCE = 16  # two unrelated pictures differ in about 32


def refuse_no_distance(by: str, bits: float) -> None:
    """Raise ValueError unless a threshold of hashes is a whole number of bits that is allowed."""
    if bits not in range(MOST_DISTANCE + 1):
        raise ValueError(
            f"by {by}: threshold {bits:g} is no whole number of bits from 0 to {MOST_DISTANCE}"
        )


def with_nodes(
    rows: DataFrame, by: ValueKind, carried: StructType, called: str, *, text_column: str
) -> DataFrame:
    """The columns `carried`, then node, the value that rows are compared by, and fault.

    node is null where fault says why there is none: the fault of the row itself, or of its value.
    phash and dhash are read from a column of that name if there is one, else computed from the
    images; sha256 likewise. Raises InputDataError if the columns are missing or of another type.
    """
    rows = with_image_bytes(rows, IMAGE)
    if by in HASH_KINDS and by not in rows.columns:
        _require_images(rows, called, by)
        hashed = with_hashes(
            _with_fault(rows), by, _carried_with_fault(carried), hash_column=NODE,
            fault_column="hash_fault",
        )  # fmt: skip
        fault = F.coalesce(FAULT, F.col("hash_fault"))
    elif by == "normalised_text":
        require_columns(rows, called, [text_column])
        require_column_type(rows, called, text_column, (StringType,), "text")
        columns = [*map(named, carried.names), F.col(FAULT), named(text_column).alias(NODE)]
        texts = _with_fault(rows).select(*columns)
        schema = StructType([*_carried_with_fault(carried).fields]).add(NODE, StringType())
        hashed = map_in_arrow(texts, normalise_texts, schema)
        fault = F.coalesce(FAULT, F.when(F.col(NODE).isNull(), F.lit("no_text")))
    else:
        value = _value(rows, by, called, text_column)
        hashed = _with_fault(rows).select(
            *map(named, carried.names), F.col(FAULT), value.alias(NODE)
        )
        reason = "no_text" if by == "text" else f"no_{by}"
        fault = F.coalesce(FAULT, F.when(F.col(NODE).isNull(), F.lit(reason)))
    node = F.when(fault.isNull(), F.col(NODE)).alias(NODE)
    return hashed.select(*map(named, carried.names), node, fault.alias(FAULT))


def _value(rows: DataFrame, by: ValueKind, called: str, text_column: str) -> Column:
    """The column that rows are compared by, null for an empty text."""
    if by in HASH_KINDS:
        require_column_type(rows, called, by, (IntegralType,), "a hash as an integer of 64 bits")
        return as_type(by, "bigint")
    if by == "sha256" and SHA256 not in rows.columns:
        _require_images(rows, called, by)
        return F.sha2(IMAGE, 256)
    column = {"sha256": SHA256, "url": URL}.get(by, text_column)
    require_columns(rows, called, [column])
    require_column_type(rows, called, column, (StringType,), "text")
    value = F.lower(named(column)) if by == "sha256" else named(column)
    return F.when(value != "", value)


def _require_images(rows: DataFrame, called: str, by: str) -> None:
    if IMAGE not in rows.columns:
        raise MissingColumnError(
            f"{called} has neither a column {by!r} nor {IMAGE!r}: read-images makes a table of "
            f"images; it has {', '.join(rows.columns)}"
        )
    require_column_type(rows, called, IMAGE, (BinaryType,), "encoded images")


def _with_fault(rows: DataFrame) -> DataFrame:
    """The rows with the column fault, null if they have none of that name that is text."""
    has_fault = FAULT in rows.columns and isinstance(rows.schema[FAULT].dataType, StringType)
    return rows if has_fault else rows.withColumn(FAULT, F.lit(None).cast("string"))


def _carried_with_fault(carried: StructType) -> StructType:
    return StructType([*carried.fields]).add(FAULT, StringType())
