"""Statistics of a file of a Delta table: rows, and of its columns minima, maxima and nulls.

Queries pass over files by them. What is left out costs nothing but that; what is there holds.
"""

import json
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pat

MOST_COLUMNS = 32  # of a table, from its first on, as Delta has it
_MOST_CHARACTERS = 32  # of a text
_LAST_CHARACTER = chr(0x10FFFF)  # above all that may follow in a text that was cut


class FileStatistics:
    """Gathers what the footer of a file lacks: nulls of nested columns, and bounds of floats.

    Of floats a footer may have none: Spark has NaN above all numbers, Parquet leaves it out, and so
    Spark would pass over row groups that hold it.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._fields = [schema.field(k) for k in range(min(len(schema), MOST_COLUMNS))]
        self._null_counts = {f.name: 0 for f in self._fields if not pat.is_struct(f.type)}
        self._float_bounds: dict[str, list[tuple[float, float]]] = {}

    def add(self, rows: pa.Table) -> None:
        """Look at rows that are written to the file."""
        for field in self._fields:
            column = rows[field.name]
            if field.name in self._null_counts:
                self._null_counts[field.name] += column.null_count
            if pat.is_floating(field.type):
                self._float_bounds.setdefault(field.name, []).append(_float_bounds(column))

    def of(self, footer: pq.FileMetaData) -> str:
        """The statistics of the file with this footer, as JSON in the form of Delta's log."""
        lowest, highest = {}, {}
        for field in self._fields:
            if field.name in self._float_bounds:
                low, high = _bounds_of_all(self._float_bounds[field.name])
            elif _has_order(field.type):
                low, high = _json_bounds(footer, field.name)
            else:
                continue
            if low is not None:
                lowest[field.name] = low
            if high is not None:
                highest[field.name] = high
        return json.dumps(
            {
                "numRecords": footer.num_rows,
                "minValues": lowest,
                "maxValues": highest,
                "nullCount": self._null_counts,
            },
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
        )


def _has_order(type_: pa.DataType) -> bool:
    """Whether Delta has minima and maxima of the type, and they are the same in Parquet."""
    return bool(
        pat.is_string(type_)
        or pat.is_signed_integer(type_)
        or pat.is_date32(type_)
        or pat.is_timestamp(type_)
    )


def _json_bounds(footer: pq.FileMetaData, column: str) -> tuple[Any, Any]:
    """Least and greatest value of a column for JSON; None for one that cannot be told."""
    try:
        bounds = _bounds(footer, column)
        return (None, None) if bounds is None else _as_json(*bounds)
    except (ValueError, OverflowError):  # bytes that are no text, a time that Python lacks
        return None, None


def _bounds(footer: pq.FileMetaData, column: str) -> tuple[Any, Any] | None:
    """Least and greatest value of a column; None if a row group does not tell, or all are null."""
    lows, highs = [], []
    for k in range(footer.num_row_groups):
        group = footer.row_group(k)
        chunks = (group.column(i) for i in range(group.num_columns))
        chunk = next(chunk for chunk in chunks if chunk.path_in_schema == column)
        statistics = chunk.statistics
        if statistics is None or not statistics.has_min_max:
            if statistics is not None and statistics.null_count == group.num_rows:
                continue
            return None
        lows.append(statistics.min)
        highs.append(statistics.max)
    return (min(lows), max(highs)) if lows else None


def _as_json(low: Any, high: Any) -> tuple[Any, Any]:
    """The bounds as values of JSON, no further in than they are; None for one without such."""
    if isinstance(low, str):
        return low[:_MOST_CHARACTERS], _cut_maximum(high)
    if isinstance(low, datetime):
        return _milliseconds(low), _milliseconds(high + timedelta(microseconds=999))
    if isinstance(low, date):
        return low.isoformat(), high.isoformat()
    return low, high


def _float_bounds(column: pa.ChunkedArray) -> tuple[float, float]:
    """Least and greatest value; (inf, -inf) of none, NaN where there is one."""
    if pc.any(pc.is_nan(column)).as_py():
        return math.nan, math.nan
    bounds = pc.min_max(column)
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    return (math.inf, -math.inf) if low is None else (low, high)


def _bounds_of_all(bounds: Sequence[tuple[float, float]]) -> tuple[float | None, float | None]:
    """Those of all row groups; None for one that is no number of JSON."""
    if any(math.isnan(low) for low, _ in bounds):
        return None, None
    lows, highs = zip(*bounds, strict=True)
    low, high = min(lows), max(highs)
    return low if math.isfinite(low) else None, high if math.isfinite(high) else None


def _cut_maximum(text: str) -> str | None:
    if len(text) <= _MOST_CHARACTERS:
        return text
    if text[_MOST_CHARACTERS] == _LAST_CHARACTER:
        return None
    return text[:_MOST_CHARACTERS] + _LAST_CHARACTER


def _milliseconds(time: datetime) -> str:
    in_utc = time.astimezone(UTC) if time.tzinfo else time
    return f"{in_utc.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
