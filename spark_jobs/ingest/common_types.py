"""One type for a column that several files have, and values brought to it.

Numbers are widened (whole numbers to the wider, whole and floating ones to double), a column that
is null throughout takes any type, fields of structs are united. Everything else stays apart.
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

_WIDER = [ByteType, ShortType, IntegerType, LongType]
_MOST_DIGITS = 38
_DIGITS = {ByteType: 3, ShortType: 5, IntegerType: 10, LongType: 19}


def common_type(one: DataType, other: DataType) -> DataType | None:
    """The type that holds the values of both; None where there is none."""
    if one == other or isinstance(other, NullType):
        return one
    match one, other:
        case NullType(), _:
            return other
        case IntegralType(), IntegralType():
            return max(one, other, key=lambda kind: _WIDER.index(type(kind)))
        case (DecimalType(), DecimalType() | IntegralType()) | (IntegralType(), DecimalType()):
            return _common_decimal(one, other)
        case (IntegralType() | FractionalType(), IntegralType() | FractionalType()):
            return DoubleType()
        case (StringType(), BinaryType()) | (BinaryType(), StringType()):
            return BinaryType()
        case ArrayType(), ArrayType():
            element = common_type(one.elementType, other.elementType)
            return None if element is None else ArrayType(element)
        case MapType(), MapType():
            value = common_type(one.valueType, other.valueType)
            is_same = value is not None and one.keyType == other.keyType
            return MapType(one.keyType, value) if is_same and value else None
        case StructType(), StructType():
            return _common_struct(one, other)
    return None


def _common_decimal(one: DataType, other: DataType) -> DataType:
    """Of digits before and behind the point as many as either has; double where these are > 38."""
    sizes = [
        (kind.precision - kind.scale, kind.scale)
        if isinstance(kind, DecimalType)
        else (_DIGITS[type(kind)], 0)  # type: ignore[index]
        for kind in (one, other)
    ]
    before, behind = (max(size) for size in zip(*sizes, strict=True))
    return DecimalType(before + behind, behind) if before + behind <= _MOST_DIGITS else DoubleType()


def _common_struct(one: StructType, other: StructType) -> StructType | None:
    fields = {field.name: field.dataType for field in one}
    for field in other:
        kind = common_type(fields.get(field.name, NullType()), field.dataType)
        if kind is None:
            return None
        fields[field.name] = kind
    return StructType([StructField(name, kind) for name, kind in fields.items()])


def conform(column: Column, kind: DataType, wanted: DataType) -> Column:
    """The column, of type `kind`, in the common type `wanted`; fields that it lacks are null."""
    if kind == wanted:
        return column
    match kind, wanted:
        case ArrayType(), ArrayType():
            return F.transform(
                column, lambda item: conform(item, kind.elementType, wanted.elementType)
            )
        case MapType(), MapType():
            return F.transform_values(
                column, lambda _, value: conform(value, kind.valueType, wanted.valueType)
            )
        case StructType(), StructType():
            there = {field.name: field.dataType for field in kind}
            fields = [
                (
                    conform(column.getField(field.name), there[field.name], field.dataType)
                    if field.name in there
                    else F.lit(None).cast(field.dataType)
                ).alias(field.name)
                for field in wanted
            ]
            return F.when(column.isNotNull(), F.struct(*fields))
    return column.cast(wanted)


def storable(kind: DataType) -> DataType:
    """The type as Delta takes it: what is null throughout is text."""
    match kind:
        case NullType():
            return StringType()
        case ArrayType():
            return ArrayType(storable(kind.elementType))
        case MapType():
            return MapType(kind.keyType, storable(kind.valueType))
        case StructType():
            return StructType([StructField(f.name, storable(f.dataType)) for f in kind])
    return kind


_MENDED = str.maketrans(dict.fromkeys(NOT_IN_DELTA_NAMES, "_"))


def delta_name(name: str) -> str:
    """The name of a column or field as Delta takes it."""
    return name.translate(_MENDED)


def with_delta_names(column: Column, kind: DataType) -> tuple[Column, DataType]:
    """The column and its type with fields named as Delta takes them.

    Raises ValueError, with the name, where two fields of a struct would be called alike.
    """
    renamed = _renamed(kind)
    return (column if renamed == kind else column.cast(renamed)), renamed


def _renamed(kind: DataType) -> DataType:
    match kind:
        case ArrayType():
            return ArrayType(_renamed(kind.elementType), kind.containsNull)
        case MapType():
            return MapType(kind.keyType, _renamed(kind.valueType), kind.valueContainsNull)
        case StructType():
            names = [delta_name(field.name) or "_" for field in kind]
            lower = [name.lower() for name in names]
            twice = next((name for name in lower if lower.count(name) > 1), None)
            if twice is not None:
                raise ValueError(twice)
            return StructType(
                [
                    StructField(name, _renamed(field.dataType), field.nullable)
                    for name, field in zip(names, kind, strict=True)
                ]
            )
    return kind
