"""The vectors that an index is trained on: a fixed draw of a table, as a matrix on the driver."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.arrow_collecting import record_batches
from spark_jobs.core.draws import Draw
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import DRAW, EMBEDDING, UID
from spark_jobs.embedding.driver_vectors import checked_unit
from udfs.vectors import Vectors

_DEVIATIONS = 7  # standard deviations above the n-th draw: missed once in 8e11 samples


def training_vectors(
    rows: DataFrame,
    n_wanted: int,
    seed: int,
    *,
    n_rows: int,
    dimension: int,
    table: str,
    deviations: float = _DEVIATIONS,
) -> Vectors:
    """The vectors (n, dimension) with the n_wanted smallest draws, in the order of these; or all.

    rows: n_rows of uid, each once, and embedding, unit vectors of `table`. First the draws alone
    are read, of those below where the n-th must be, and then the vectors up to the n-th: no task
    sorts vectors, and the driver holds each once.
    """
    n_wanted = min(n_wanted, n_rows)
    drawn = rows.select(UID, EMBEDDING, Draw("build-index/train", seed).of(UID).alias(DRAW))
    smallest = _smallest_draws(drawn, n_wanted, _bound(n_wanted, n_rows, deviations))
    if len(smallest) < n_wanted:  # by chance further away than `deviations`
        smallest = _smallest_draws(drawn, n_wanted, 1.0)
    vectors = np.empty((len(smallest), dimension), np.float32)
    uids, n_read = smallest[UID].combine_chunks(), 0
    for batch in record_batches(drawn.where(_is_up_to(smallest)).select(UID, EMBEDDING)):
        place = pc.index_in(batch.column(UID), value_set=uids).to_numpy()
        vectors[place] = checked_unit(batch.column(EMBEDDING), batch.column(UID), table)
        n_read += len(place)
    if n_read != len(smallest):
        raise InputDataError(f"{table}: changed while it was read; run it again")
    return vectors


def _bound(n_wanted: int, n_rows: int, deviations: float) -> float:
    """A draw above the n-th smallest of n_rows."""
    return (n_wanted + deviations * math.sqrt(n_wanted) + deviations) / n_rows


def _smallest_draws(rows: DataFrame, n_rows: int, bound: float) -> pa.Table:
    """Uid and draw of the n_rows smallest draws below a bound, ascending, equal ones by uid."""
    below = list(record_batches(rows.where(F.col(DRAW) < bound).select(UID, DRAW)))
    if not below:
        return pa.table({UID: pa.array([], pa.string()), DRAW: pa.array([], pa.float64())})
    table = pa.Table.from_batches(below)
    order = pc.sort_indices(table, [(DRAW, "ascending"), (UID, "ascending")])
    return table.take(order.slice(0, n_rows))


def _is_up_to(smallest: pa.Table) -> Column:
    """Whether a row is at or before the last of these."""
    last = [F.lit(smallest[name][-1].as_py()) for name in (DRAW, UID)]
    return F.struct(DRAW, UID) <= F.struct(last[0].alias(DRAW), last[1].alias(UID))
