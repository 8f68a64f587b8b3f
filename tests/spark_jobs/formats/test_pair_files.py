"""Columns of files of pairs: what a format cannot hold is refused, however deep it lies."""

from types import SimpleNamespace

import pytest
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    DataType,
    IntegerType,
    MapType,
    StringType,
    StructField,
    StructType,
)

from spark_jobs.core.errors import InputDataError
from spark_jobs.formats.pair_files import choose_columns
from udfs.pair_files import PairFormat

TEXT, NUMBERS, BYTES = StringType(), ArrayType(IntegerType()), BinaryType()
MAP = MapType(StringType(), IntegerType())


def chosen(type_: DataType, format_: PairFormat) -> list[str]:
    schema = StructType().add("uid", TEXT).add("caption", TEXT).add("x", type_)
    pairs = SimpleNamespace(columns=schema.names, schema=schema)
    columns = choose_columns(pairs, "table t", {"x": "y"}, carry=True, format_=format_)  # type: ignore[arg-type]
    return [*columns.names.values()]


@pytest.mark.parametrize(
    "type_",
    [
        BYTES,
        ArrayType(BYTES),
        StructType([StructField("a", ArrayType(StructType([StructField("b", BYTES)])))]),
        MAP,
        ArrayType(MAP),
        StructType([StructField("a", MAP)]),
    ],
)
def test_json_lines_refuse_bytes_and_maps_at_any_depth(type_: DataType) -> None:
    with pytest.raises(InputDataError, match=r"column 'x' is .*, which jsonl cannot hold"):
        chosen(type_, "jsonl")
    assert chosen(type_, "parquet") == ["uid", "caption", "y"]


@pytest.mark.parametrize(
    "type_", [TEXT, NUMBERS, ArrayType(NUMBERS), StructType([StructField("a", NUMBERS)])]
)
def test_json_lines_take_lists_and_structs(type_: DataType) -> None:
    assert chosen(type_, "jsonl") == ["uid", "caption", "y"]


def test_csv_takes_nothing_nested() -> None:
    with pytest.raises(InputDataError, match="column 'x' is array<int>, which csv cannot hold"):
        chosen(NUMBERS, "csv")
