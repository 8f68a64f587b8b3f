"""Column expressions that several jobs share."""

import logging
from collections.abc import Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

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
    """What identifies a row: uid, and caption_id where an image has several captions, or query_id.

    The last of a table without uid.
    """
    if UID not in rows.columns and QUERY_ID in rows.columns:
        return [QUERY_ID]
    return [UID, CAPTION_ID] if CAPTION_ID in rows.columns else [UID]


def named(column: str) -> Column:
    """A column by its exact name, which may hold dots, spaces and backticks.

    To be used for each name that comes from a user or from the input.
    """
    return F.col(_quoted(column))


def _quoted(column: str) -> str:
    return f"`{column.replace('`', '``')}`"


def as_type(column: str, *kinds: str) -> Column:
    """A column of the input, by its name, as a type of SQL's; null where a value is none of it.

    Several types are gone through one after the other: text to double to bigint.

    `cast` would stop the run at such a value in ANSI mode (Spark 4's default), and give another
    number for one out of range in the other mode. `kinds`: literals of ours, such as "bigint".
    """
    expression = _quoted(column)
    for kind in kinds:
        expression = f"try_cast({expression} AS {kind})"
    return F.expr(expression)


def free_name(rows: DataFrame, name: str) -> str:
    """The name, with as many underscores before it as keep it apart from the rows' own columns."""
    taken = {column.lower() for column in rows.columns}
    while name.lower() in taken:
        name = f"_{name}"
    return name


def warn_of_replaced_columns(rows: DataFrame, called: str, columns: Iterable[str]) -> None:
    """Say which columns of an input the job's own ones of the same name take the place of."""
    ours = {column.lower() for column in columns}
    replaced = [column for column in rows.columns if column.lower() in ours]
    if replaced:
        _log.warning(
            "%s: its %s are left out, the output has columns of its own of that name",
            called,
            ", ".join(map(repr, replaced)),
        )


def literal_of(frame: DataFrame, column: str, value: Value) -> Column:
    """A value as a literal in the type of its column, so that it equals what the column stores.

    On a float32 column 0.7 is the float32 nearest to it; whole numbers and decimals compare
    exactly, doubles as they are. Raises InputDataError where the column cannot hold such a value.
    """
    of = frame.schema[column].dataType
    try:
        return typed_literal(of, typed_value(of, value))
    except ValueError as fault:
        raise InputDataError(
            f"column {column!r} is {of.simpleString()}, compared with {value!r}: {fault}"
        ) from None


def with_non_null_caption_id(rows: DataFrame) -> DataFrame:
    """The rows with -1 for a null caption_id, so that a join by `keys` finds such rows too."""
    if CAPTION_ID not in rows.columns:
        return rows
    return rows.withColumn(CAPTION_ID, F.coalesce(CAPTION_ID, F.lit(-1)))
