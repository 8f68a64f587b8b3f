"""Values of any type as one of our columns; what the column's type cannot hold becomes null."""

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    DataType,
    FloatType,
    IntegerType,
    NumericType,
    StringType,
)

_LARGEST_INT = 2**31 - 1
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"


def as_type(column: Column, kind: DataType, wanted: DataType) -> Column:
    """The column, of type `kind`, as `wanted`: text, whole number, float, or a list of ids.

    A number is text by its digits, a text a number where it reads as one. NaN, infinities,
    fractions and numbers out of range are no whole numbers, and none is rounded into one.
    """
    match wanted:
        case IntegerType():
            return _whole(column, kind)
        case FloatType():
            return _number(column, kind).cast(wanted)
        case ArrayType() if isinstance(kind, ArrayType):
            return F.transform(column, lambda item: _whole(item, kind.elementType))
    return column if kind == wanted else column.cast(wanted)


def _number(column: Column, kind: DataType) -> Column:
    if isinstance(kind, NumericType):
        return column.cast("double")
    if not isinstance(kind, StringType | BinaryType):
        return F.lit(None).cast("double")
    text = F.trim(column.cast("string"))
    is_nan = F.lower(text) == "nan"
    return F.when(text.rlike(_NUMBER), text).when(is_nan, F.lit("NaN")).cast("double")


def _whole(column: Column, kind: DataType) -> Column:
    number = _number(column, kind)
    is_whole = number.between(-_LARGEST_INT - 1, _LARGEST_INT) & (number == F.floor(number))
    return F.when(is_whole, number).cast("int")
