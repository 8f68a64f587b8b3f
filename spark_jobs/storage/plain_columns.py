"""Columns that every Delta table may have, and that Arrow reads and writes as Spark does."""

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    ByteType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    ShortType,
    StringType,
    StructType,
    TimestampType,
)

_PLAIN_TYPES = (
    *(StringType, BinaryType, BooleanType, ByteType, ShortType, IntegerType, LongType),
    *(FloatType, DoubleType, DecimalType, DateType, TimestampType),
)


def has_plain_columns(columns: StructType) -> bool:
    """Whether all columns, and what is nested in them, are of such types and names without a dot.

    Parquet's paths would not tell a column `a.b` from what is nested in `a`.
    """
    return all("." not in field.name and _is_plain(field.dataType) for field in columns)


def _is_plain(type_: DataType) -> bool:
    if isinstance(type_, ArrayType):
        return _is_plain(type_.elementType)
    if isinstance(type_, MapType):
        return _is_plain(type_.keyType) and _is_plain(type_.valueType)
    if isinstance(type_, StructType):
        return has_plain_columns(type_)
    return type(type_) in _PLAIN_TYPES
