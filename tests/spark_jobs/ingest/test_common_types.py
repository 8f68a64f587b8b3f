"""One type for the same column of several files, and values brought to it."""

import math
from decimal import Decimal

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    ByteType,
    DataType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    NullType,
    StringType,
    StructType,
    _parse_datatype_string,
)

from spark_jobs.ingest.common_types import (
    common_type,
    conform,
    delta_name,
    delta_type,
    with_delta_names,
)
from spark_jobs.ingest.values import as_type

KINDS = [
    (LongType(), DoubleType(), DoubleType()),
    (FloatType(), DoubleType(), DoubleType()),
    (ByteType(), IntegerType(), IntegerType()),
    (IntegerType(), FloatType(), DoubleType()),
    (NullType(), StringType(), StringType()),
    (LongType(), DecimalType(20, 0), DecimalType(20, 0)),
    (DecimalType(10, 4), LongType(), DecimalType(23, 4)),
    (DecimalType(38, 0), DecimalType(10, 4), DoubleType()),
    (StringType(), LongType(), None),
    (ArrayType(NullType()), ArrayType(StringType()), ArrayType(StringType())),
    (ArrayType(LongType()), StringType(), None),
    (
        StructType().add("a", "long").add("b", NullType()),
        StructType().add("b", "string").add("c", "double"),
        StructType().add("a", "long").add("b", "string").add("c", "double"),
    ),
    (StructType().add("a", "long"), StructType().add("a", "string"), None),
]


@pytest.mark.parametrize(("one", "other", "common"), KINDS)
def test_common_type_is_the_same_in_either_order(
    one: DataType, other: DataType, common: DataType | None
):
    def in_any_order(kind: DataType | None) -> object:
        return set(kind) if isinstance(kind, StructType) else kind

    assert in_any_order(common_type(one, other)) == in_any_order(common)
    assert in_any_order(common_type(other, one)) == in_any_order(common)


def test_values_keep_what_they_are_in_the_common_type(spark: SparkSession):
    frame = spark.createDataFrame(
        [({"x y": 1, "l": [1, None]}, [[]]), (None, None)],
        "s struct<`x y`: int, l: array<int>>, e array<array<void>>",
    )
    wanted = _parse_datatype_string("struct<new: string, l: array<double>, `x y`: bigint>")
    lists = _parse_datatype_string("array<array<string>>")
    kinds = {field.name: field.dataType for field in frame.schema}
    rows = frame.select(
        conform(F.col("s"), kinds["s"], wanted).alias("s"),
        conform(F.col("e"), kinds["e"], lists).alias("e"),
    )
    assert [kind for _, kind in rows.dtypes] == [wanted.simpleString(), lists.simpleString()]
    first, second = rows.collect()
    assert first.s.asDict() == {"new": None, "l": [1.0, None], "x y": 1}
    assert first.e == [[]]
    assert (second.s, second.e) == (None, None)


def test_fields_are_named_as_delta_takes_them(spark: SparkSession):
    kind = _parse_datatype_string("array<struct<`Image Make`: string, `a;b`: int>>")
    frame = spark.createDataFrame([([("x", 1)],)], StructType().add("exif", kind))
    column, renamed = with_delta_names(F.col("exif"), kind)
    (row,) = frame.select(column.alias("exif")).collect()
    assert [item.asDict() for item in row.exif] == [{"Image_Make": "x", "a_b": 1}]
    assert renamed.simpleString() == "array<struct<Image_Make:string,a_b:int>>"
    with pytest.raises(ValueError, match="a_b"):
        with_delta_names(F.col("x"), _parse_datatype_string("struct<`a b`: int, a_b: int>"))
    assert delta_name("clip score (b32)") == "clip_score__b32_"


def test_what_is_null_throughout_is_stored_as_text():
    kind = StructType().add("a", NullType()).add("b", ArrayType(NullType()))
    assert delta_type(kind).simpleString() == "struct<a:string,b:array<string>>"


WHOLE = [
    ("640", 640),
    (" 640 ", 640),
    ("640.0", 640),
    ("6.4e2", 640),
    ("640.5", None),
    ("", None),
    ("abc", None),
    ("NaN", None),
    ("5e9", None),
    ("2147483647", 2147483647),
    ("-2147483648", -2147483648),
    ("2147483648", None),
    ("0x10", None),
    ("1_000", None),
    (None, None),
]


@pytest.mark.parametrize("ansi", ["false", "true"])
def test_texts_become_whole_numbers_or_null(spark: SparkSession, ansi: str):
    frame = spark.createDataFrame([(text,) for text, _ in WHOLE], "v string")
    before = spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", ansi)
    try:
        numbers = frame.select(as_type(F.col("v"), StringType(), IntegerType())).collect()
    finally:
        spark.conf.set("spark.sql.ansi.enabled", before)
    assert [row[0] for row in numbers] == [number for _, number in WHOLE]


@pytest.mark.parametrize("ansi", ["false", "true"])
def test_numbers_out_of_range_are_null_not_another_number(spark: SparkSession, ansi: str):
    longs = [4294967303, 7, -5_000_000_000, None]
    doubles = [math.nan, math.inf, -math.inf, 5e9, 640.0, 0.5, None]
    before = spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", ansi)
    try:
        of_long = spark.createDataFrame([(v,) for v in longs], "v long")
        of_double = spark.createDataFrame([(v,) for v in doubles], "v double")
        got = [
            [row[0] for row in frame.select(as_type(F.col("v"), kind, IntegerType())).collect()]
            for frame, kind in ((of_long, LongType()), (of_double, DoubleType()))
        ]
    finally:
        spark.conf.set("spark.sql.ansi.enabled", before)
    assert got == [[None, 7, None, None], [None, None, None, None, 640, None, None]]


def test_digits_of_a_decimal_are_an_id(spark: SparkSession):
    frame = spark.createDataFrame([(Decimal(2**63 + 5),)], "v decimal(20,0)")
    (row,) = frame.select(as_type(F.col("v"), DecimalType(20, 0), StringType())).collect()
    assert row[0] == str(2**63 + 5)
