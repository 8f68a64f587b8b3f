"""`mapInArrow` as all jobs use it: for columns of any name, on text that is valid."""

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from udfs.arrow import Batches, BatchFunction, checked


def map_in_arrow(rows: DataFrame, function: BatchFunction, columns: StructType) -> DataFrame:
    """`rows.mapInArrow(function, columns)` on batches that are `checked`.

    A string that is not UTF-8 ends the task with one line, before a kernel sees it; a batch is cut
    where it is too large. Columns may have any name.
    """
    return map_in_arrow_unchecked(rows, checked(function), columns)


def map_in_arrow_unchecked(
    rows: DataFrame, function: BatchFunction, columns: StructType
) -> DataFrame:
    """The same on batches as Spark hands them over: for readers that reject rows themselves.

    PySpark 3.5 looks the columns up by name, and so takes `a.b` for a field of a struct a, and
    `Text` beside `text` for ambiguous. Such rows go by with other names; `function` sees theirs.
    """
    names = rows.columns
    if len({name.lower() for name in names}) == len(names) and not any(map(_is_read, names)):
        return rows.mapInArrow(function, columns)

    def by_their_names(batches: Batches) -> Iterator[pa.RecordBatch]:
        return function(_renamed(batch, names) for batch in batches)

    plain = rows.toDF(*(f"c{position}" for position in range(len(names))))
    return plain.mapInArrow(by_their_names, columns)


def _is_read(name: str) -> bool:
    """Whether Spark reads such a name as an expression rather than as it stands."""
    return "." in name or "`" in name


def _renamed(batch: pa.RecordBatch, names: list[str]) -> pa.RecordBatch:
    fields = [field.with_name(name) for field, name in zip(batch.schema, names, strict=True)]
    return pa.RecordBatch.from_arrays(batch.columns, schema=pa.schema(fields))
