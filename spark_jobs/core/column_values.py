"""Values that a user gives, in the type of the column that they are compared with."""

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
_MOST_DIGITS = 38  # of a decimal in Spark


def typed_value(of: DataType, value: Value) -> TypedValue:
    """The value as a column of that type would hold it, by which it is to be compared.

    float: rounded to 32 bits. Whole numbers: an int, or a float with a fraction, which no row
    equals. decimal: the digits as written. Dates and timestamps: from ISO text. Raises ValueError,
    naming what was expected, where no row of the type could be compared with it.
    """
    if isinstance(value, float) and math.isnan(value):
        raise ValueError("expected a value, and NaN is none: it equals nothing")
    if isinstance(of, NUMBER_TYPES):
        return _number(of, value)
    if isinstance(of, TIME_TYPES):
        return _time(of, value)
    if isinstance(of, BooleanType):
        if isinstance(value, bool):
            return value
        raise ValueError("expected true or false")
    if isinstance(of, StringType):
        if isinstance(value, str):
            return value
        raise ValueError(
            "expected text; put it in quotes, inside the YAML, which compares letter by letter, or "
            "make the column one of numbers"
        )
    raise ValueError("rows of this type cannot be compared with a value")


def is_never_equal(of: DataType, typed: TypedValue) -> bool:
    """Whether no row of the type can equal it: it has digits that the type has no place for."""
    if isinstance(of, DecimalType) and isinstance(typed, Decimal):
        return _scale(typed) > of.scale
    return isinstance(of, WHOLE_TYPES) and isinstance(typed, float)


def typed_literal(of: DataType, typed: TypedValue) -> Column:
    """A typed value as a column; comparing it with a column of the type loses no digit."""
    if isinstance(typed, Decimal):
        # A number of the column's own scale needs no wider type, which might not fit.
        scale = _scale(typed)
        fits = isinstance(of, DecimalType) and scale <= of.scale
        wider = f"decimal({_MOST_DIGITS},{scale})"
        return F.lit(format(typed, "f")).cast(of if fits else wider)
    if isinstance(typed, datetime | date):
        return F.lit(str(typed)).cast(of)
    if isinstance(of, WHOLE_TYPES) and isinstance(typed, float):
        return F.lit(typed)  # with a fraction it is below 2^52: a cast to double cannot cross it
    return F.lit(typed).cast(of)


def _number(of: DataType, value: Value) -> TypedValue:
    if isinstance(value, bool):
        raise ValueError("expected a number, not true or false")
    if isinstance(value, str):
        raise ValueError(f"expected a number{_how_to_write(value)}")
    if isinstance(of, FloatType | DoubleType):
        return _floating(of, value)
    if math.isinf(value):
        raise ValueError(f"is beyond every {of.simpleString()}")
    if isinstance(of, DecimalType):
        return _decimal(of, Decimal(repr(value)))
    bits = _BITS[of.simpleString()]
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if not low <= value <= high:
        raise ValueError(f"is beyond {of.simpleString()}: {low} to {high}")
    return int(value) if value == int(value) else value


def _how_to_write(text: str) -> str:
    """A hint where text would have been a number, but for quotes or YAML's idea of one."""
    try:
        number = float(text)
    except ValueError:
        return ""
    if math.isnan(number):
        return ""
    return f"; write {_as_yaml(text, number)}, without quotes"


def _as_yaml(text: str, number: float) -> str:
    """A number as YAML reads it; 1e400 is beyond every double, and YAML's infinity is .inf."""
    if math.isinf(number):
        return "-.inf" if number < 0 else ".inf"
    return str(int(number)) if text.isdecimal() else repr(number)


def _floating(of: DataType, value: int | float) -> float:
    try:
        wide = float(value)
    except OverflowError:
        raise ValueError(f"is beyond every {of.simpleString()}") from None
    if not isinstance(of, FloatType):
        return wide
    with np.errstate(over="ignore", under="ignore"):
        rounded = float(np.float32(wide))
    if math.isinf(rounded) and not math.isinf(wide):
        raise ValueError(f"is beyond float: up to {float(np.finfo(np.float32).max):.6g}")
    if rounded == 0 and wide != 0:
        raise ValueError("is too small for float, where it would be 0")
    return rounded


def _decimal(of: DecimalType, value: Decimal) -> Decimal:
    name = of.simpleString()
    if abs(value) >= Decimal(10) ** (of.precision - of.scale):
        raise ValueError(f"is beyond {name}")
    scale = _scale(value)
    if scale > of.scale and of.precision - of.scale + scale > _MOST_DIGITS:
        raise ValueError(f"has too many digits to be compared with {name}")
    return value


def _scale(value: Decimal) -> int:
    """Digits behind the point, without zeros at the end."""
    return len(format(value, "f").partition(".")[2].rstrip("0"))


def _time(of: DataType, value: Value) -> date | datetime:
    name = of.simpleString()
    try:
        if isinstance(of, DateType):
            return date.fromisoformat(str(value))
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        example = "2024-05-31" if isinstance(of, DateType) else "2024-05-31T12:30:00"
        raise ValueError(f"expected a {name} as text, such as {example}") from None
    if isinstance(of, TimestampNTZType) and moment.tzinfo is not None:
        raise ValueError(f"expected a {name} without a time zone")
    return moment
