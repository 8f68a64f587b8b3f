"""`mapInArrow` for columns of any name, and with checks for valid text and batch size."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from spark_jobs.core.worker_files import small_function
from udfs.arrow import Batches, BatchFunction, chained, checked
from udfs.stores import shared_options, with_options


@dataclass(frozen=True)
class MappedRows:
    """Rows that `function` makes of others, to which further steps in the same worker may be added.

    Each mapInArrow in a plan brings all rows to Python and back. `is_checked`: whether batches are
    valid and of limited size, see udfs.arrow.
    """

    rows: DataFrame
    function: BatchFunction
    columns: StructType
    is_checked: bool = True

    def frame(self) -> DataFrame:
        """The rows as a frame."""
        map_rows = map_in_arrow if self.is_checked else map_in_arrow_unchecked
        return map_rows(self.rows, self.function, self.columns)

    def then(self, function: BatchFunction, columns: StructType) -> "MappedRows":
        """What a further function, called in the same worker, makes of these rows."""
        return replace(self, function=chained(self.function, function), columns=columns)


def map_in_arrow(rows: DataFrame, function: BatchFunction, columns: StructType) -> DataFrame:
    """`rows.mapInArrow(function, columns)` on valid batches of limited size, see udfs.arrow.

    A string that is not UTF-8 ends the task with a one-line error before `function` gets it; too
    large batches are split. Columns may have any name.
    """
    return map_in_arrow_unchecked(rows, checked(function), columns)


def with_valid_text(rows: DataFrame) -> DataFrame:
    """The rows, to be collected: a string that is not UTF-8 ends the task with a one-line error.

    Otherwise it would reach the driver as another text, with U+FFFD, or end toPandas in a fault
    without a name. Not needed behind `map_in_arrow`.
    """
    return map_in_arrow(rows, iter, rows.schema)


def map_in_arrow_unchecked(
    rows: DataFrame, function: BatchFunction, columns: StructType
) -> DataFrame:
    """The same on batches as Spark makes them: for readers that reject invalid rows themselves.

    PySpark 3.5 resolves the columns by name: `a.b` as a field of a struct a, and `Text` beside
    `text` as ambiguous. Such columns are renamed for Spark; `function` sees the original names.
    Workers get the options of the stores that this process has opened, and large arrays of the
    function as files, once to each machine.
    """
    function = with_options(small_function(rows.sparkSession, function), shared_options())
    names = rows.columns
    if len({name.lower() for name in names}) == len(names) and not any(map(_is_parsed, names)):
        return rows.mapInArrow(function, columns)

    def with_original_names(batches: Batches) -> Iterator[pa.RecordBatch]:
        return function(_renamed(batch, names) for batch in batches)

    with_plain_names = rows.toDF(*(f"c{position}" for position in range(len(names))))
    return with_plain_names.mapInArrow(with_original_names, columns)


def _is_parsed(name: str) -> bool:
    """Whether Spark would parse the name as an expression rather than take it literally."""
    return "." in name or "`" in name


def _renamed(batch: pa.RecordBatch, names: list[str]) -> pa.RecordBatch:
    fields = [field.with_name(name) for field, name in zip(batch.schema, names, strict=True)]
    return pa.RecordBatch.from_arrays(batch.columns, schema=pa.schema(fields))
