"""Places of rows in an order that a draw decides, without a sort of all rows."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.core.columns import named
from spark_jobs.core.draws import Draw
from spark_jobs.core.schemas import UID

PLACE = "_place"
_BIN, _DRAW, _BEFORE = "_bin", "_draw", "_before"
_ROWS_OF_BIN, _MOST_BINS = 10_000, 10_000


def n_bins_for(n_rows: int) -> int:
    """The bins that the draws of so many rows are cut into."""
    return max(1, min(_MOST_BINS, n_rows // _ROWS_OF_BIN))


def bin_sizes(rows: DataFrame, draw: Draw, n_bins: int) -> DataFrame:
    """Rows of (bin, number of rows): at most `n_bins`, which `with_places` needs."""
    return rows.select(_bin(draw, n_bins)).groupBy(_BIN).agg(F.count(F.lit(1)).alias("n"))


def with_places(
    rows: DataFrame, draw: Draw, sizes: Sequence[tuple[int, int]], n_bins: int
) -> DataFrame:
    """Add PLACE, 0 to n - 1 in the order of the draws of their uids, of which there is one a row.

    `sizes`: (bin, number of its rows), from `bin_sizes`. Order of the output: undefined.
    """
    before, total = [], 0
    for number, n in sorted(sizes):
        before.append((number, total))
        total += n
    offsets = rows.sparkSession.createDataFrame(before, f"{_BIN} int, {_BEFORE} long")
    drawn = rows.withColumn(_DRAW, draw.of(UID)).withColumn(_BIN, _bin(draw, n_bins))
    rank = F.row_number().over(Window.partitionBy(_BIN).orderBy(_DRAW, UID))
    placed = drawn.withColumn("_rank", rank).join(F.broadcast(offsets), on=_BIN, how="inner")
    place = (F.col(_BEFORE) + F.col("_rank") - 1).alias(PLACE)
    return placed.select(*map(named, rows.columns), place)


def _bin(draw: Draw, n_bins: int) -> Column:
    return F.floor(draw.of(UID) * n_bins).cast("int").alias(_BIN)
