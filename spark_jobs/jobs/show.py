"""show: columns, number of rows, and some rows of a table, for people."""

import shutil
from typing import Any

from pydantic import Field, NonNegativeInt
from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    NumericType,
    StringType,
)

from spark_jobs.core.columns import named, require_columns
from spark_jobs.core.errors import SettingsError
from spark_jobs.core.redaction import redacted
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.settings import InputAddress, Names, Settings
from spark_jobs.formats.any_table import open_table
from spark_jobs.report.terminal import cut, printable, table_lines
from spark_jobs.running.job import Pipeline
from spark_jobs.storage.faults.causes import condition_of

_MOST_CHARACTERS = 400  # of a text, and
_MOST_ITEMS = 8  # of a list: what is brought to the driver
_WIDTH = 120  # where stdout is no terminal


class Show(Settings):
    """Settings of show."""

    table: InputAddress = Field(
        description="a Delta table, folder or catalog.schema.table; or files of parquet, JSON, "
        "CSV, TSV or text"
    )
    where: str | None = Field(
        None, description="only rows for which this holds, in SQL: 'entry_count > 100'"
    )
    columns: Names | None = Field(None, description="only these columns: uid,caption")
    rows: NonNegativeInt = Field(
        20, le=10_000, description="rows to show at most", json_schema_extra={"flag": "-n"}
    )
    version: NonNegativeInt | None = Field(
        None, description="version of the Delta table; default: the newest"
    )


def answer_lines(spark: SparkSession, settings: Show) -> list[str]:
    """The kind of table, its columns and number of rows, and some of its rows."""
    opened = open_table(spark, settings.table, settings.version)
    frame = opened.rows
    called = f"table {settings.table}"
    require_columns(frame, called, settings.columns or [])
    chosen = frame if settings.where is None else rows_where(frame, settings.where, called)
    n_rows = opened.count()
    n_chosen = n_rows if settings.where is None else count_rows(chosen)
    names = list(settings.columns or frame.columns)
    width = shutil.get_terminal_size((_WIDTH, 24)).columns
    of_all = "" if settings.where is None else f", {n_chosen:,} where {redacted(settings.where)}"
    lines = [
        printable(redacted(f"{settings.table}: {opened.kind}")),
        printable(f"{n_rows:,} rows{of_all}"),
        "",
        *_schema_lines(frame, names, width),
    ]
    n_shown = min(settings.rows, n_chosen)
    if not n_shown:
        return lines
    values = _shown_values(chosen, names, n_shown)
    kinds = ["number" if _is_number(frame.schema[name].dataType) else "text" for name in names]
    lines += ["", *table_lines(names, values, kinds, width=width)]
    if n_shown < n_chosen:
        lines += ["", f"... {n_chosen - n_shown:,} more rows"]
    return lines


def rows_where(frame: DataFrame, condition: str, called: str) -> DataFrame:
    """The rows for which the condition holds; SettingsError if Spark cannot make sense of it."""
    try:
        rows = frame.where(condition)
        _ = rows.schema  # Spark Connect looks at the condition only now
        return rows
    except (ParseException, AnalysisException) as fault:
        reason = (condition_of(fault) or "no condition in SQL").partition(".")[0]
        raise SettingsError(
            f"--where {condition!r}: {called} cannot be asked that "
            f"({reason.lower().replace('_', ' ')}); its columns are {', '.join(frame.columns)}"
        ) from None


def _schema_lines(frame: DataFrame, names: list[str], width: int) -> list[str]:
    name_width = max((len(printable(name)) for name in names), default=0)
    return [
        cut(f"{printable(field.name):<{name_width}}  {field.dataType.simpleString()}", width)
        for field in (frame.schema[name] for name in names)
    ]


def _is_number(type_: DataType) -> bool:
    return isinstance(type_, NumericType | BinaryType)


def _shown_values(frame: DataFrame, names: list[str], n: int) -> list[list[str]]:
    """The values of n rows as text; long ones are cut before they come to the driver."""
    columns: list[Column] = []
    for number, name in enumerate(names):
        shortened, size = _shortened(named(name), frame.schema[name].dataType)
        columns += [shortened.alias(f"v{number}"), size.alias(f"n{number}")]
    rows = frame.select(*columns).limit(n).collect()
    pairs = [zip(row[::2], row[1::2], strict=True) for row in rows]
    return [[_text(value, size) for value, size in row] for row in pairs]


def _shortened(column: Column, type_: DataType) -> tuple[Column, Column]:
    """(the value, cut if it may be long; its whole size where that is of interest, else null)."""
    none = F.lit(None).cast("int")
    match type_:
        case StringType():
            return F.substring(column, 1, _MOST_CHARACTERS), none
        case BinaryType():
            return F.concat(F.format_number(F.length(column), 0), F.lit(" bytes")), none
        case ArrayType(elementType=NumericType() | BooleanType()):
            return F.slice(column, 1, _MOST_ITEMS), F.size(column)
        case ArrayType():
            items = F.slice(column, 1, _MOST_ITEMS)
            return F.substring(F.to_json(items), 1, _MOST_CHARACTERS), none
        case NumericType() | BooleanType():
            return column, none
    as_text = F.to_json(F.struct(column.alias("v"))) if _is_nested(type_) else column.cast("string")
    return F.substring(as_text, 1, _MOST_CHARACTERS), none


def _is_nested(type_: DataType) -> bool:
    return type_.typeName() in {"struct", "map"}


def _text(value: Any, size: int | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        more = f", ... {size:,} in all" if size is not None and size > len(value) else ""
        return f"[{', '.join(_text(item, None) for item in value)}{more}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


JOB = Pipeline(
    "show",
    "Show a table: its columns, how many rows it has, and some of them.",
    Show,
    answer_lines=answer_lines,
    arguments=("table",),
    example="captionlake show ./curated/balanced_captions --columns uid,caption -n 5",
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
