"""The values of a long list as a table: as literals in a plan they would take minutes."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql.types import DataType, StringType, StructField, StructType

from spark_jobs.core.column_values import TIME_TYPES, TypedValue
from spark_jobs.core.columns import named

MOST_LITERALS = 200


def listed_values(
    rows: DataFrame, column_type: DataType, values: Sequence[TypedValue], name: str
) -> DataFrame:
    """Results of `typed_value`, which the type can hold, as a column of the type, each once.

    `rows`: those of whose session the table is.
    """
    # Spark reads times as `typed_literal` does: Python's would be of the driver's time zone.
    written = [(str(value) if isinstance(value, date) else value,) for value in values]
    written_type = StringType() if isinstance(column_type, TIME_TYPES) else column_type
    columns = StructType([StructField(name, written_type)])
    frame = rows.sparkSession.createDataFrame(written, columns)
    return frame.select(named(name).cast(column_type).alias(name)).distinct()
