"""User-given values converted to the type of the column that they are compared with."""

import math
from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias

import numpy as np
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    ByteType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
    TimestampNTZType,
    TimestampType,
)

Value: TypeAlias = str | bool | int | float
TypedValue: TypeAlias = Value | Decimal | date | datetime

_BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
WHOLE_TYPES = (ByteType, ShortType, IntegerType, LongType)
NUMBER_TYPES = (*WHOLE_TYPES, FloatType, DoubleType, DecimalType)
TIME_TYPES = (DateType, TimestampType, TimestampNTZType)
COMPARABLE_TYPES = (*NUMBER_TYPES, *TIME_TYPES, StringType, BooleanType)
_MAX_DIGITS = 38  # largest precision of Spark's decimal


def typed_value(column_type: DataType, value: Value) -> TypedValue:
    """The value as a column of this type stores it, for comparison with the column.

    float: rounded to float32. Integer types: an int, or a float if it has a fraction (no row equals
    it). decimal: the digits as written. Dates and timestamps: parsed from ISO text. Raises
    ValueError, with what was expected, if the value cannot be compared with the type.
    """
    if isinstance(value, float) and math.isnan(value):
        raise ValueError("expected a value, and NaN is none: it equals nothing")
    if isinstance(column_type, NUMBER_TYPES):
        return _number(column_type, value)
    if isinstance(column_type, TIME_TYPES):
        return _time(column_type, value)
    if isinstance(column_type, BooleanType):
        if isinstance(value, bool):
            return value
        raise ValueError("expected true or false")
    if isinstance(column_type, StringType):
        if isinstance(value, str):
            return value
        raise ValueError(
            "expected text; put it in quotes, inside the YAML, which compares letter by letter, or "
            "make the column one of numbers"
        )
    raise ValueError("rows of this type cannot be compared with a value")


def is_never_equal(column_type: DataType, typed: TypedValue) -> bool:
    """Whether no row can equal the value, since it has more fractional digits than the type."""
    if isinstance(column_type, DecimalType) and isinstance(typed, Decimal):
        return _scale(typed) > column_type.scale
    return isinstance(column_type, WHOLE_TYPES) and isinstance(typed, float)


def typed_literal(column_type: DataType, typed: TypedValue) -> Column:
    """A result of `typed_value` as a literal; comparing it with the column is exact."""
    if isinstance(typed, Decimal):
        # With a scale that fits, use the column's own type: a wider one could exceed 38 digits.
        scale = _scale(typed)
        fits = isinstance(column_type, DecimalType) and scale <= column_type.scale
        wider_type = f"decimal({_MAX_DIGITS},{scale})"
        return F.lit(format(typed, "f")).cast(column_type if fits else wider_type)
    if isinstance(typed, datetime | date):
        return F.lit(str(typed)).cast(column_type)
    if isinstance(column_type, WHOLE_TYPES) and isinstance(typed, float):
        # Spark compares as doubles here: exact, since a double with a fraction is below 2^52.
        return F.lit(typed)
    return F.lit(typed).cast(column_type)


def _number(column_type: DataType, value: Value) -> TypedValue:
    if isinstance(value, bool):
        raise ValueError("expected a number, not true or false")
    if isinstance(value, str):
        raise ValueError(f"expected a number{_how_to_write(value)}")
    if isinstance(column_type, FloatType | DoubleType):
        return _floating(column_type, value)
    if math.isinf(value):
        raise ValueError(f"is beyond every {column_type.simpleString()}")
    if isinstance(column_type, DecimalType):
        return _decimal(column_type, Decimal(repr(value)))
    bits = _BITS[column_type.simpleString()]
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if not low <= value <= high:
        raise ValueError(f"is beyond {column_type.simpleString()}: {low} to {high}")
    return int(value) if value == int(value) else value


def _how_to_write(text: str) -> str:
    """A hint if the text is a number that was quoted or that YAML reads as text (1e3)."""
    try:
        number = float(text)
    except ValueError:
        return ""
    if math.isnan(number):
        return ""
    return f"; write {_as_yaml(text, number)}, without quotes"


def _as_yaml(text: str, number: float) -> str:
    """The number as YAML reads it as one; text beyond every double (1e400) becomes .inf."""
    if math.isinf(number):
        return "-.inf" if number < 0 else ".inf"
    return str(int(number)) if text.isdecimal() else repr(number)


def _floating(column_type: DataType, value: int | float) -> float:
    try:
        as_double = float(value)
    except OverflowError:
        raise ValueError(f"is beyond every {column_type.simpleString()}") from None
    if not isinstance(column_type, FloatType):
        return as_double
    with np.errstate(over="ignore", under="ignore"):
        rounded = float(np.float32(as_double))
    if math.isinf(rounded) and not math.isinf(as_double):
        raise ValueError(f"is beyond float: up to {float(np.finfo(np.float32).max):.6g}")
    if rounded == 0 and as_double != 0:
        raise ValueError("is too small for float, where it would be 0")
    return rounded


def _decimal(column_type: DecimalType, value: Decimal) -> Decimal:
    name = column_type.simpleString()
    n_whole_digits = column_type.precision - column_type.scale
    if abs(value) >= Decimal(10) ** n_whole_digits:
        raise ValueError(f"is beyond {name}")
    scale = _scale(value)
    if scale > column_type.scale and n_whole_digits + scale > _MAX_DIGITS:
        raise ValueError(f"has too many digits to be compared with {name}")
    return value


def _scale(value: Decimal) -> int:
    """Digits after the decimal point, without trailing zeros."""
    return len(format(value, "f").partition(".")[2].rstrip("0"))


def _time(column_type: DataType, value: Value) -> date | datetime:
    name = column_type.simpleString()
    try:
        if isinstance(column_type, DateType):
            return date.fromisoformat(str(value))
        timestamp = datetime.fromisoformat(str(value))
    except ValueError:
        example = "2024-05-31" if isinstance(column_type, DateType) else "2024-05-31T12:30:00"
        raise ValueError(f"expected a {name} as text, such as {example}") from None
    if isinstance(column_type, TimestampNTZType) and timestamp.tzinfo is not None:
        raise ValueError(f"expected a {name} without a time zone")
    return timestamp
