"""Draw the vectors that an index is trained on, as a matrix on the driver."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.arrow_collecting import record_batches
from spark_jobs.core.columns import named
from spark_jobs.core.draws import Draw
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import DRAW, EMBEDDING, UID
from spark_jobs.embedding.driver_vectors import unit_matrix_on_driver
from udfs.vectors import Vectors

_DEVIATIONS = 7  # standard deviations above the n-th draw: missed once in 8e11 samples


def training_vectors(
    rows: DataFrame,
    key: str,
    n_wanted: int,
    seed: int,
    *,
    n_rows: int,
    dimension: int,
    table: str,
    deviations: float = _DEVIATIONS,
) -> Vectors:
    """The n_wanted vectors with the smallest draws (all if there are fewer), (n, dimension).

    Ordered by draw. rows: n_rows of a unique key and embedding, unit vectors, of `table`. One pass
    collects the draws below a bound that the n-th lies under, but for chance; the next reads the
    vectors up to the n-th. So no task sorts vectors, and the driver holds each vector once.
    """
    n_wanted = min(n_wanted, n_rows)
    draw = Draw("build-index/train", seed).of(key).alias(DRAW)
    with_draw = rows.select(named(key).alias(UID), EMBEDDING, draw)
    smallest = _smallest_draws(with_draw, n_wanted, _bound(n_wanted, n_rows, deviations))
    if len(smallest) < n_wanted:  # by chance the n-th lies above the bound
        smallest = _smallest_draws(with_draw, n_wanted, 1.0)
    changed = f"{table}: changed while it was read; run it again"
    vectors = np.empty((len(smallest), dimension), np.float32)
    uids, is_read = smallest[UID].combine_chunks(), np.zeros(len(smallest), np.bool_)
    drawn = with_draw.where(_is_up_to_last(smallest)).select(UID, EMBEDDING)
    for batch in record_batches(drawn):
        positions = pc.index_in(batch.column(UID), value_set=uids)
        if positions.null_count or is_read[positions.to_numpy()].any():
            raise InputDataError(changed)
        vectors[positions.to_numpy()] = unit_matrix_on_driver(
            batch.column(EMBEDDING), batch.column(UID), table
        )
        is_read[positions.to_numpy()] = True
    if not is_read.all():
        raise InputDataError(changed)
    return vectors


def _bound(n_wanted: int, n_rows: int, deviations: float) -> float:
    """A draw above the n_wanted-th smallest of n_rows, but for chance."""
    return (n_wanted + deviations * math.sqrt(n_wanted) + deviations) / n_rows


def _smallest_draws(rows: DataFrame, n_rows: int, bound: float) -> pa.Table:
    """The uid and draw of the n_rows smallest draws below the bound, ascending, ties by uid."""
    below = list(record_batches(rows.where(F.col(DRAW) < bound).select(UID, DRAW)))
    if not below:
        return pa.table({UID: pa.array([], pa.string()), DRAW: pa.array([], pa.float64())})
    table = pa.Table.from_batches(below)
    order = pc.sort_indices(table, [(DRAW, "ascending"), (UID, "ascending")])
    return table.take(order.slice(0, n_rows))


def _is_up_to_last(smallest: pa.Table) -> Column:
    """Whether a row's (draw, uid) is at most the last of these."""
    last = [F.lit(smallest[name][-1].as_py()) for name in (DRAW, UID)]
    return F.struct(DRAW, UID) <= F.struct(last[0].alias(DRAW), last[1].alias(UID))
