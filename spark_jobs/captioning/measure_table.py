"""The long table of measures: rows of schemas.MEASURES, which are few, on the driver."""

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.captioning.measured_captions import SET, CaptionSet
from spark_jobs.core.columns import named
from spark_jobs.core.schemas import SOURCE

BIN_WIDTH = 0.02  # of the histograms of cosines, which go from -1 to 1
HISTOGRAM = "_histogram"
_BIN, _N = "_bin", "_n"
MeasureRow = tuple[str, str, str | None, float | None, float, float | None, float | None, int]


def set_rows(sets: Sequence[CaptionSet], measured: DataFrame) -> list[MeasureRow]:
    """Measures of each set: its `rows`, its `null_captions`, which are left out, and `measured`.

    `measured`: set, measure, value, low, high, n.
    """
    rows: list[MeasureRow] = []
    for part in sets:
        for measure, value in (("rows", part.rows), ("null_captions", part.rows - part.captions)):
            rows.append(
                (measure, part.source, part.group, None, float(value), None, None, part.rows)
            )
    for row in measured.collect():
        part = sets[row[SET]]
        _, measure, value, low, high, n = row
        rows.append((measure, part.source, part.group, None, value, low, high, n))
    return rows


def numbers_of(rows: Sequence[MeasureRow], measure: str) -> Mapping[str, int]:
    """Source -> the captions that a measure is of, all groups together."""
    return {row[1]: row[7] for row in rows if row[0] == measure and row[2] is None}


def histogram_rows(scored: DataFrame, cosines: Sequence[str]) -> list[MeasureRow]:
    """How many captions of each source have a cosine in each bin; at: the bin's lower end."""
    rows: list[MeasureRow] = []
    for cosine in cosines:
        number = F.floor(named(cosine) / BIN_WIDTH)
        counted = (
            scored.where(named(cosine).isNotNull())
            .groupBy(SOURCE, number.alias(_BIN))
            .agg(F.count("*").alias(_N))
            .orderBy(SOURCE, _BIN)
        )
        for source, place, n in counted.collect():
            at = round(place * BIN_WIDTH, 2)
            rows.append((f"{cosine}{HISTOGRAM}", source, None, at, float(n), None, None, n))
    return rows
