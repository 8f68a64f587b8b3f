"""Key columns, columns by exact name, safe casts and literals, checks that columns exist."""

import logging
from collections.abc import Iterable, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructType

from spark_jobs.core.column_values import Value, typed_literal, typed_value
from spark_jobs.core.errors import InputDataError, MissingColumnError
from spark_jobs.core.schemas import CAPTION_ID, QUERY_ID, UID
from spark_jobs.core.settings import did_you_mean

_log = logging.getLogger(__name__)


def require_columns(
    rows: DataFrame, called: str, columns: Iterable[str], *, remedy: str | None = None
) -> None:
    """Raise MissingColumnError if the rows lack one of the columns.

    `called`: the rows' name in the message, such as "table captions". `remedy`: what the message
    advises; by default it suggests the nearest column and lists all.
    """
    for column in columns:
        if column not in rows.columns:
            names = f"{did_you_mean(column, rows.columns)}; it has {', '.join(rows.columns)}"
            advice = names if remedy is None else f"; {remedy}"
            raise MissingColumnError(f"{called} has no column {column!r}{advice}")


def require_column_type(
    rows: DataFrame, called: str, column: str, types: tuple[type[DataType], ...], expected: str
) -> None:
    """Raise InputDataError unless the column has one of the types, `expected` in words."""
    column_type = rows.schema[column].dataType
    if not isinstance(column_type, types):
        raise InputDataError(
            f"{called}: column {column!r} is {column_type.simpleString()}, expected {expected}"
        )


def keys(rows: DataFrame) -> list[str]:
    """The columns that identify a row: uid, caption_id if present; query_id if there is no uid."""
    return keys_among(rows.columns)


def keys_among(columns: Sequence[str]) -> list[str]:
    """`keys` of rows with these columns."""
    if UID not in columns and QUERY_ID in columns:
        return [QUERY_ID]
    return [UID, CAPTION_ID] if CAPTION_ID in columns else [UID]


def named(column: str) -> Column:
    """A column by its exact name, which may contain dots, spaces and backticks.

    Use it for every name that comes from a user or from the input.
    """
    return F.col(_quoted(column))


def _quoted(column: str) -> str:
    return f"`{column.replace('`', '``')}`"


def as_type(column: str, *kinds: str) -> Column:
    """A column by its exact name, cast to a SQL type; null where a value cannot be cast.

    Several `kinds` are cast to in turn, such as "double", "bigint". try_cast, not `cast`: in ANSI
    mode (Spark 4's default) `cast` ends the run at such a value, else it wraps out-of-range
    numbers. `kinds` is put into SQL as it is: only literals of this code.
    """
    expression = _quoted(column)
    for kind in kinds:
        expression = f"try_cast({expression} AS {kind})"
    return F.expr(expression)


def with_image_bytes(rows: DataFrame, column: str) -> DataFrame:
    """The rows with encoded images as bytes where the column has structs of `bytes` and `path`.

    So Hugging Face's datasets writes images. Other columns stay as they are.
    """
    column_type = rows.schema[column].dataType if column in rows.columns else None
    if not isinstance(column_type, StructType) or "bytes" not in column_type.names:
        return rows
    return rows.withColumn(column, named(column).getField("bytes"))


def free_name(rows: DataFrame, name: str) -> str:
    """The name, prefixed with underscores until no column of the rows has it (ignoring case)."""
    used_names = {column.lower() for column in rows.columns}
    while name.lower() in used_names:
        name = f"_{name}"
    return name


def warn_of_replaced_columns(rows: DataFrame, called: str, columns: Iterable[str]) -> None:
    """Log which columns of an input are dropped for output columns of the same name."""
    output_names = {column.lower() for column in columns}
    replaced = [column for column in rows.columns if column.lower() in output_names]
    if replaced:
        _log.warning(
            "%s: its %s are left out, the output has columns of its own of that name",
            called,
            ", ".join(map(repr, replaced)),
        )


def with_prefix_where_taken(
    rows: DataFrame, called: str, columns: Iterable[str], *, prefix: str
) -> DataFrame:
    """Rename the rows' columns that are called like one of an output's, and log how.

    `columns`: names of the output's own columns. A renamed column has the prefix before its name.
    """
    output_names = {column.lower() for column in columns}
    new_names = {
        column: free_name(rows, f"{prefix}{column}")
        for column in rows.columns
        if column.lower() in output_names
    }
    if new_names:
        _log.warning(
            "%s: %s, since the output has columns of its own of that name",
            called,
            ", ".join(f"its {old!r} is called {new!r}" for old, new in new_names.items()),
        )
    return rows.select(*(named(name).alias(new_names.get(name, name)) for name in rows.columns))


def literal_of(frame: DataFrame, column: str, value: Value) -> Column:
    """The value as a literal for comparison with a column: exact for whole numbers and decimals.

    For a float column 0.7 becomes the nearest float32, as the column stores it. Raises
    InputDataError if the value cannot be compared with the column's type.
    """
    column_type = frame.schema[column].dataType
    try:
        return typed_literal(column_type, typed_value(column_type, value))
    except ValueError as fault:
        raise InputDataError(
            f"column {column!r} is {column_type.simpleString()}, compared with {value!r}: {fault}"
        ) from None


def with_non_null_caption_id(rows: DataFrame) -> DataFrame:
    """Replace a null caption_id by -1, so that a join by `keys` matches such rows too."""
    if CAPTION_ID not in rows.columns:
        return rows
    return rows.withColumn(CAPTION_ID, F.coalesce(CAPTION_ID, F.lit(-1)))
