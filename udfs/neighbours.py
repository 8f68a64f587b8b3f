"""The k nearest vectors to each query, by exact search over block after block."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches
from udfs.compiled import one_compiles
from udfs.nearest_kernel import keep_k, keep_nearest
from udfs.products import Products, products_with
from udfs.vectors import Vectors, stored_cosines, unit_matrix

BLOCK_ROWS = 1 << 16
_OUTPUT_ROWS = 100_000
_SPARE = 16  # places beyond twice k, so that few are not sorted out one by one


class Nearest:
    """The k vectors of all that were added that are nearest to each of n queries, by inner product.

    Of equally near ones those with the smallest `ties` stay, whatever the order of the blocks.
    """

    def __init__(self, queries: Vectors, k: int, products: Products) -> None:
        self._queries = queries
        self._k = k
        self._products = products
        n, room = len(queries), 2 * k + _SPARE
        self._similarity = np.empty((n, room), np.float32)
        self._ties = np.empty((n, room), np.int64)
        self._refs = np.empty((n, room), np.int64)
        self._counts = np.zeros(n, np.int64)
        self._least = np.full(n, -np.inf, np.float32)
        self._uids = pa.chunked_array([pa.array([], pa.string())])

    def add(self, vectors: Vectors, uids: pa.Array, ties: NDArray[np.int64]) -> None:
        """Compare a block of vectors (m, dimension) with every query."""
        for tile in self._products.tiles(vectors):
            of, rows = tile.queries, tile.rows
            keep_nearest(
                tile.products,
                tile.slack,
                self._queries[of],
                vectors[rows],
                ties[rows],
                len(self._uids) + rows.start,
                self._k,
                *(kept[of] for kept in self._kept()),
            )
        self._uids = pa.chunked_array([*self._uids.chunks, uids.cast(pa.string())])
        if len(self._uids) > 4 * self._k * len(self._queries) + BLOCK_ROWS:
            self._forget_uids()

    def _kept(self) -> tuple[NDArray[Any], ...]:
        return self._similarity, self._ties, self._refs, self._counts, self._least

    def _is_kept(self) -> NDArray[np.bool_]:
        return np.arange(self._refs.shape[1]) < self._counts[:, None]

    def _forget_uids(self) -> None:
        is_kept = self._is_kept()
        used, refs = np.unique(self._refs[is_kept], return_inverse=True)
        self._uids = pa.chunked_array([self._uids.take(pa.array(used)).combine_chunks()])
        self._refs[is_kept] = refs

    def found(self) -> pa.RecordBatch:
        """Columns query, uid, similarity, tie: of each query the k nearest, in any order."""
        keep_k(self._k, *self._kept())
        is_kept = self._is_kept()
        uids = self._uids.take(pa.array(self._refs[is_kept]))
        uids = uids.combine_chunks() if isinstance(uids, pa.ChunkedArray) else uids
        return pa.RecordBatch.from_arrays(
            [
                pa.array(np.nonzero(is_kept)[0].astype(np.int32)),
                uids,
                pa.array(self._similarity[is_kept]),
                pa.array(self._ties[is_kept]),
            ],
            ["query", "uid", "similarity", "tie"],
        )


def nearest_in_task(
    batches: Batches, queries: Vectors, k: int, *, n_rows: int, table: str
) -> Iterator[pa.RecordBatch]:
    """`Nearest.found` of all batches of a task, about n_rows: columns uid, embedding, tie.

    A column `stored` has the similarities as they are stored. Raises TaskInputError where a vector
    of `table` is not of unit length.
    """
    products = products_with(queries, n_rows)
    with one_compiles(f"nearest_{type(products).__name__}"):
        rehearsal = Nearest(queries, k, products)
        rehearsal.add(queries[:1], pa.array([""]), np.zeros(1, np.int64))
        rehearsal.found()
    nearest = Nearest(queries, k, products)
    for block in blocks(batches, BLOCK_ROWS):
        vectors = unit_matrix(block["embedding"], block["uid"], table)
        nearest.add(vectors, block["uid"].combine_chunks(), block["tie"].to_numpy())
    found = nearest.found()
    stored = pa.array(stored_cosines(found["similarity"].to_numpy()))
    found = pa.RecordBatch.from_arrays([*found.columns, stored], [*found.schema.names, "stored"])
    for start in range(0, found.num_rows, _OUTPUT_ROWS):
        yield found.slice(start, _OUTPUT_ROWS)


def blocks(batches: Batches, n_rows: int) -> Iterator[pa.Table]:
    """The batches put together to tables of at least so many rows, but for the last."""
    parts: list[pa.RecordBatch] = []
    for batch in batches:
        parts.append(batch)
        if sum(part.num_rows for part in parts) >= n_rows:
            yield pa.Table.from_batches(parts)
            parts = []
    if parts:
        yield pa.Table.from_batches(parts)
