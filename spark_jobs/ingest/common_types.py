"""The common type of a column that several files have, and the conversion of values to it.

Numbers are widened (integers to the wider type, integers and floats to double), a column of nulls
takes any type, and structs get the fields of both. Other types have no common type.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    ByteType,
    DataType,
    DecimalType,
    DoubleType,
    FractionalType,
    IntegerType,
    IntegralType,
    LongType,
    MapType,
    NullType,
    ShortType,
    StringType,
    StructField,
    StructType,
)

from spark_jobs.core.schemas import NOT_IN_DELTA_NAMES

_INTEGERS_BY_WIDTH = [ByteType, ShortType, IntegerType, LongType]
_MAX_DECIMAL_DIGITS = 38
_DIGITS = {ByteType: 3, ShortType: 5, IntegerType: 10, LongType: 19}


def common_type(first: DataType, second: DataType) -> DataType | None:
    """The type that holds the values of both types; None if there is none."""
    if first == second or isinstance(second, NullType):
        return first
    match first, second:
        case NullType(), _:
            return second
        case IntegralType(), IntegralType():
            return max(first, second, key=lambda type_: _INTEGERS_BY_WIDTH.index(type(type_)))
        case (DecimalType(), DecimalType() | IntegralType()) | (IntegralType(), DecimalType()):
            return _common_decimal(first, second)
        case (IntegralType() | FractionalType(), IntegralType() | FractionalType()):
            return DoubleType()
        case (StringType(), BinaryType()) | (BinaryType(), StringType()):
            return BinaryType()
        case ArrayType(), ArrayType():
            element = common_type(first.elementType, second.elementType)
            return None if element is None else ArrayType(element)
        case MapType(), MapType():
            value = common_type(first.valueType, second.valueType)
            has_common = value is not None and first.keyType == second.keyType
            return MapType(first.keyType, value) if has_common and value else None
        case StructType(), StructType():
            return _common_struct(first, second)
    return None


def _common_decimal(first: DataType, second: DataType) -> DataType:
    """A decimal with the larger number of digits on each side of the point; double if over 38."""
    sizes = [
        (type_.precision - type_.scale, type_.scale)
        if isinstance(type_, DecimalType)
        else (_DIGITS[type(type_)], 0)  # type: ignore[index]
        for type_ in (first, second)
    ]
    n_whole, n_fraction = (max(digits) for digits in zip(*sizes, strict=True))
    n_digits = n_whole + n_fraction
    return DecimalType(n_digits, n_fraction) if n_digits <= _MAX_DECIMAL_DIGITS else DoubleType()


def _common_struct(first: StructType, second: StructType) -> StructType | None:
    """A struct with the fields of both; None if a field has no common type."""
    types = {field.name: field.dataType for field in first}
    for field in second:
        field_type = common_type(types.get(field.name, NullType()), field.dataType)
        if field_type is None:
            return None
        types[field.name] = field_type
    return StructType([StructField(name, field_type) for name, field_type in types.items()])


def conform(column: Column, own_type: DataType, target_type: DataType) -> Column:
    """Convert a column of type `own_type` to the common type; struct fields it lacks are null."""
    if own_type == target_type:
        return column
    match own_type, target_type:
        case ArrayType(), ArrayType():
            return F.transform(
                column, lambda item: conform(item, own_type.elementType, target_type.elementType)
            )
        case MapType(), MapType():
            return F.transform_values(
                column, lambda _, value: conform(value, own_type.valueType, target_type.valueType)
            )
        case StructType(), StructType():
            own_types = {field.name: field.dataType for field in own_type}
            fields = [
                (
                    conform(column.getField(field.name), own_types[field.name], field.dataType)
                    if field.name in own_types
                    else F.lit(None).cast(field.dataType)
                ).alias(field.name)
                for field in target_type
            ]
            return F.when(column.isNotNull(), F.struct(*fields))
    return column.cast(target_type)


def delta_type(type_: DataType) -> DataType:
    """The type in which Delta can store the values: NullType becomes string."""
    match type_:
        case NullType():
            return StringType()
        case ArrayType():
            return ArrayType(delta_type(type_.elementType))
        case MapType():
            return MapType(type_.keyType, delta_type(type_.valueType))
        case StructType():
            return StructType([StructField(f.name, delta_type(f.dataType)) for f in type_])
    return type_


_REPLACED_CHARACTERS = str.maketrans(dict.fromkeys(NOT_IN_DELTA_NAMES, "_"))


def delta_name(name: str) -> str:
    """The column or field name with the characters that Delta refuses replaced by "_"."""
    return name.translate(_REPLACED_CHARACTERS)


def with_delta_names(column: Column, type_: DataType) -> tuple[Column, DataType]:
    """(column, its type), with struct fields renamed by `delta_name`.

    Raises ValueError(name) if two fields of a struct would get the same name.
    """
    renamed_type = _with_delta_field_names(type_)
    return (column if renamed_type == type_ else column.cast(renamed_type)), renamed_type


def _with_delta_field_names(type_: DataType) -> DataType:
    match type_:
        case ArrayType():
            return ArrayType(_with_delta_field_names(type_.elementType), type_.containsNull)
        case MapType():
            value_type = _with_delta_field_names(type_.valueType)
            return MapType(type_.keyType, value_type, type_.valueContainsNull)
        case StructType():
            names = [delta_name(field.name) or "_" for field in type_]
            lower_names = [name.lower() for name in names]
            repeated = next((name for name in lower_names if lower_names.count(name) > 1), None)
            if repeated is not None:
                raise ValueError(repeated)
            return StructType(
                [
                    StructField(name, _with_delta_field_names(field.dataType), field.nullable)
                    for name, field in zip(names, type_, strict=True)
                ]
            )
    return type_
