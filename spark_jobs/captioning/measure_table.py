"""The long table of measures: rows of schemas.MEASURES, which are few, on the driver."""

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame

from spark_jobs.captioning.measured_captions import CaptionSet

HISTOGRAM = "_histogram"
MeasureRow = tuple[str, str, str | None, float | None, float, float | None, float | None, int]


def set_rows(sets: Sequence[CaptionSet], measured: DataFrame) -> list[MeasureRow]:
    """Measures of each set: `rows`, `null_captions`, which are left out, `captions`, `measured`.

    `measured`: set, measure, at, value, low, high, n.
    """
    rows: list[MeasureRow] = []
    for part in sets:
        n_null = part.rows - part.captions
        for measure, value, n in (
            ("rows", part.rows, part.rows),
            ("null_captions", n_null, part.rows),
            ("captions", part.captions, part.captions),
        ):
            rows.append((measure, part.source, part.group, None, float(value), None, None, n))
    for number, measure, at, value, low, high, n in measured.collect():
        part = sets[number]
        rows.append((measure, part.source, part.group, at, value, low, high, n))
    return rows


def numbers_of(rows: Sequence[MeasureRow], measure: str) -> Mapping[str, int]:
    """Source -> the captions that a measure is of, all groups together."""
    return {row[1]: row[7] for row in rows if row[0] == measure and row[2] is None}
