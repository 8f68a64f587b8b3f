"""Exact search of the k nearest vectors to each query, block by block."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches
from udfs.compiled import one_compiles
from udfs.device_products import DeviceProducts, products_of_task
from udfs.device_vectors import DeviceVectors
from udfs.nearest_kernel import keep_k, keep_nearest, keep_nearest_pairs
from udfs.products import Products, fastest_products
from udfs.vectors import Vectors, stored_cosines, unit_matrix

BLOCK_ROWS = 1 << 16
_OUTPUT_ROWS = 100_000
_MANY_ROWS = 1 << 40  # of a search that was worth a GPU
_SPARE = 16  # slots beyond 2 * k, so that a small k is not reduced at every candidate


class Nearest:
    """Collects the k vectors with the largest inner product with each of n queries.

    Of equally near ones those with the smallest `ties` stay, whatever the order of the blocks.
    """

    def __init__(self, queries: Vectors, k: int, products: Products | DeviceProducts) -> None:
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
        products = self._products
        if isinstance(products, DeviceProducts):
            if (block := products.upload(vectors)) is not None:
                self._add_pairs(products, block, vectors, ties)
            else:
                products = self._products = fastest_products(self._queries, _MANY_ROWS)
        if not isinstance(products, DeviceProducts):
            self._add_tiles(products, vectors, ties)
        self._uids = pa.chunked_array([*self._uids.chunks, uids.cast(pa.string())])
        if len(self._uids) > 4 * self._k * len(self._queries) + BLOCK_ROWS:
            self._drop_unused_uids()

    def _add_tiles(self, products: Products, vectors: Vectors, ties: NDArray[np.int64]) -> None:
        for tile in products.tiles(vectors):
            queries, rows = tile.queries, tile.rows
            keep_nearest(
                tile.products,
                tile.slack,
                self._queries[queries],
                vectors[rows],
                ties[rows],
                len(self._uids) + rows.start,
                self._k,
                *(array[queries] for array in self._state()),
            )

    def _add_pairs(
        self,
        products: DeviceProducts,
        block: DeviceVectors,
        vectors: Vectors,
        ties: NDArray[np.int64],
    ) -> None:
        for queries, pairs in products.pairs(block, self._least, self._k):
            first = len(self._uids)
            keep_nearest_pairs(*pairs, self._queries, vectors, ties, first, self._k, *self._state())
            if np.isneginf(self._least[queries]).any():  # from now on the k-th is the least
                keep_k(self._k, *(array[queries] for array in self._state()))

    def _state(self) -> tuple[NDArray[Any], ...]:
        return self._similarity, self._ties, self._refs, self._counts, self._least

    def _is_kept(self) -> NDArray[np.bool_]:
        return np.arange(self._refs.shape[1]) < self._counts[:, None]

    def _drop_unused_uids(self) -> None:
        is_kept = self._is_kept()
        used, refs = np.unique(self._refs[is_kept], return_inverse=True)
        self._uids = pa.chunked_array([self._uids.take(pa.array(used)).combine_chunks()])
        self._refs[is_kept] = refs

    def result(self) -> pa.RecordBatch:
        """The k nearest of each query, in any order: columns query, uid, similarity, tie."""
        keep_k(self._k, *self._state())
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
    """Find the k nearest to each query among the rows of a task: the columns of `Nearest.result`.

    batches: uid, embedding, tie; about n_rows rows in all. The added column `stored` has the
    similarities as they are stored. Raises TaskInputError if a vector of `table` is not of unit
    length.
    """
    products = products_of_task(queries, n_rows)
    with one_compiles(f"nearest_{type(products).__name__}"):
        warm_up = Nearest(queries, k, products)
        warm_up.add(queries[:1], pa.array([""]), np.zeros(1, np.int64))
        warm_up.result()
    nearest = Nearest(queries, k, products)
    for block in blocks(batches, BLOCK_ROWS):
        vectors = unit_matrix(block["embedding"], block["uid"], table)
        nearest.add(vectors, block["uid"].combine_chunks(), block["tie"].to_numpy())
    result = nearest.result()
    stored = pa.array(stored_cosines(result["similarity"].to_numpy()))
    columns, names = [*result.columns, stored], [*result.schema.names, "stored"]
    with_stored = pa.RecordBatch.from_arrays(columns, names)
    for start in range(0, with_stored.num_rows, _OUTPUT_ROWS):
        yield with_stored.slice(start, _OUTPUT_ROWS)


def blocks(batches: Batches, n_rows: int) -> Iterator[pa.Table]:
    """Combine the batches to tables of at least n_rows rows; the last may have fewer."""
    parts: list[pa.RecordBatch] = []
    for batch in batches:
        parts.append(batch)
        if sum(part.num_rows for part in parts) >= n_rows:
            yield pa.Table.from_batches(parts)
            parts = []
    if parts:
        yield pa.Table.from_batches(parts)
