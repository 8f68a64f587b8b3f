"""Columns of any name: through Python, beside our own names, and replaced by ours."""

import logging

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import IntegerType, StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import as_type, free_name, literal_of, named, warn_of_replaced_columns
from spark_jobs.core.errors import InputDataError


@pytest.mark.parametrize("names", [("a", "b"), ("a.b", "x`y"), ("Text", "text"), ("a", "a.b")])
def test_python_sees_the_columns_by_their_names(
    spark: SparkSession, names: tuple[str, str]
) -> None:
    first, second = names
    schema = StructType([StructField(first, IntegerType()), StructField(second, StringType())])
    frame = spark.createDataFrame([(1, "x"), (2, None)], schema)

    def swapped(batches):
        for batch in batches:
            assert batch.schema.names == [*names]
            columns = [batch.column(1), batch.column(0)]
            yield pa.RecordBatch.from_arrays(columns, [second, first])

    columns = StructType([schema[second], schema[first]])
    rows = map_in_arrow(frame, swapped, columns)
    assert rows.columns == [second, first]
    assert sorted(map(tuple, rows.collect()), key=str) == [("x", 1), (None, 2)]


def test_a_free_name_is_none_of_the_rows_in_any_case(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(1, 2)], ["_Rank", "__rank"])
    assert free_name(frame, "_rank") == "___rank"
    assert free_name(frame, "rank") == "rank"


def test_columns_that_give_way_are_said(
    spark: SparkSession, caplog: pytest.LogCaptureFixture
) -> None:
    frame = spark.createDataFrame([(1, 2, 3)], ["uid", "Query", "dataset"])
    with caplog.at_level(logging.WARNING):
        warn_of_replaced_columns(frame, "table t", ["dataset", "query"])
    assert "table t: its 'Query', 'dataset' are left out" in caplog.text


def test_a_literal_has_the_type_of_its_column(spark: SparkSession) -> None:
    frame = spark.sql("SELECT CAST(0.82 AS FLOAT) AS `a.b`, 9007199254740993L AS n")
    is_equal = named("a.b") == literal_of(frame, "a.b", 0.82)
    is_next = named("n") > literal_of(frame, "n", 9007199254740992)
    single = literal_of(frame, "a.b", 0.82).cast("double")
    (row,) = frame.select(is_equal, is_next, single).collect()
    assert tuple(row) == (True, True, float(np.float32(0.82)))
    with pytest.raises(
        InputDataError, match=r"column 'n' is bigint, compared with 'x': expected a"
    ):
        literal_of(frame, "n", "x")


AS_TYPE = [  # of text: double, int, through double to bigint
    ("7", 7.0, 7, 7),
    ("7.9", 7.9, None, 7),
    ("1e30", 1e30, None, None),
    ("2147483648", 2147483648.0, None, 2147483648),
    ("seven", None, None, None),
    ("", None, None, None),
    (None, None, None, None),
]


@pytest.mark.parametrize("ansi", ["false", "true"])
def test_what_is_none_of_a_type_is_null_in_either_mode(spark: SparkSession, ansi: str) -> None:
    name = "my `col`. x"
    frame = spark.createDataFrame([(row[0],) for row in AS_TYPE], StructType().add(name, "string"))
    before = spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", ansi)
    try:
        kinds = [("double",), ("int",), ("double", "bigint")]
        rows = frame.select(*(as_type(name, *kind) for kind in kinds)).collect()
    finally:
        spark.conf.set("spark.sql.ansi.enabled", before)
    assert [tuple(row) for row in rows] == [row[1:] for row in AS_TYPE]
