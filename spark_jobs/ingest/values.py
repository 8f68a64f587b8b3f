"""Convert values of any type to the type of one of our columns; null if it cannot hold them."""

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


def as_type(column: Column, own_type: DataType, target_type: DataType) -> Column:
    """Convert a column of type `own_type` to string, int, float, or a list of entry ids.

    Text becomes a number if it is written as one. NaN, infinities, fractions and numbers out of
    range become null as an int: nothing is rounded.
    """
    match target_type:
        case IntegerType():
            return _whole_number(column, own_type)
        case FloatType():
            return _number(column, own_type).cast(target_type)
        case ArrayType() if isinstance(own_type, ArrayType):
            return F.transform(column, lambda item: _whole_number(item, own_type.elementType))
    return column if own_type == target_type else column.cast(target_type)


def _number(column: Column, own_type: DataType) -> Column:
    """The value as a double; null if it is not a number."""
    if isinstance(own_type, NumericType):
        return column.cast("double")
    if not isinstance(own_type, StringType | BinaryType):
        return F.lit(None).cast("double")
    text = F.trim(column.cast("string"))
    is_nan = F.lower(text) == "nan"
    return F.when(text.rlike(_NUMBER), text).when(is_nan, F.lit("NaN")).cast("double")


def _whole_number(column: Column, own_type: DataType) -> Column:
    """The value as an int; null if it is not a whole number in range."""
    number = _number(column, own_type)
    is_whole = number.between(-_LARGEST_INT - 1, _LARGEST_INT) & (number == F.floor(number))
    return F.when(is_whole, number).cast("int")
