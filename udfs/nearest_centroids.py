"""The centroid of largest inner product with each vector, exact, and sums by centroid."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction
from udfs.centroid_kernel import add_rows, keep_best
from udfs.compiled import one_compiles
from udfs.neighbours import blocks
from udfs.products import Products, fastest_products
from udfs.vectors import Vectors, finite_matrix

_BLOCK_ROWS = 1 << 13


def nearest_centroids(
    vectors: Vectors, centroids: Vectors, products: Products | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(number of the centroid of largest inner product, that product) of each vector, (n,) each.

    vectors: (n, dimension), centroids: (k, dimension), of any length. Products that could be the
    largest are summed in float64; of equal ones the first centroid is taken. products: those of
    the vectors; by default the fastest of this machine.
    """
    best = np.full(len(vectors), -np.inf)
    best_centroid = np.full(len(vectors), -1, np.int64)
    for tile in (products or fastest_products(vectors, len(centroids))).tiles(centroids):
        keep_best(
            tile.products,
            tile.slack,
            vectors[tile.queries],
            centroids[tile.rows],
            tile.rows.start,
            best[tile.queries],
            best_centroid[tile.queries],
        )
    return best_centroid, best


def add_nearest_centroid(
    centroids: Vectors, is_target: NDArray[np.bool_], *, names: list[str], table: str
) -> BatchFunction:
    """For mapInArrow: uid, embedding -> uid, cluster, its product, and its `is_target`.

    centroids: (k, dimension); is_target: (k,). Raises TaskInputError if a vector of `table` has
    another dimension, a NaN or an infinity.
    """

    def assign(batches: Batches) -> Iterator[pa.RecordBatch]:
        _compile_once()
        for chunk in blocks(batches, _BLOCK_ROWS):
            uids, embeddings = chunk.columns
            vectors = finite_matrix(embeddings, uids, table)
            cluster, similarity = nearest_centroids(vectors, centroids)
            columns = {
                names[0]: uids.combine_chunks(),
                names[1]: pa.array(cluster.astype(np.int32)),
                names[2]: pa.array(similarity.astype(np.float32)),
                names[3]: pa.array(is_target[cluster]),
            }
            yield pa.RecordBatch.from_arrays([*columns.values()], names)

    return assign


def sum_by_nearest(centroids: Vectors, *, names: list[str], table: str) -> BatchFunction:
    """For mapInArrow: uid, embedding -> cluster, number of its vectors, their sum, of a task.

    Nearest by Euclidean distance, as k-means has it: of the product with the centroid the half of
    its squared length is taken off, as one more dimension.
    """
    half_squares = -0.5 * np.einsum("ij,ij->i", centroids, centroids, dtype=np.float64)
    longer = np.column_stack([centroids, half_squares.astype(np.float32)])

    def summed(batches: Batches) -> Iterator[pa.RecordBatch]:
        _compile_once()
        sums = np.zeros(centroids.shape, np.float64)
        counts = np.zeros(len(centroids), np.int64)
        for chunk in blocks(batches, _BLOCK_ROWS):
            vectors = finite_matrix(chunk.column(1), chunk.column(0), table)
            with_one = np.column_stack([vectors, np.ones(len(vectors), np.float32)])
            cluster, _ = nearest_centroids(with_one, longer)
            add_rows(vectors, cluster, sums, counts)
        [used] = np.nonzero(counts)
        lists = pa.ListArray.from_arrays(
            pa.array(np.arange(len(used) + 1, dtype=np.int32) * centroids.shape[1]),
            pa.array(sums[used].reshape(-1)),
        )
        columns = [pa.array(used.astype(np.int32)), pa.array(counts[used]), lists]
        yield pa.RecordBatch.from_arrays(columns, names)

    return summed


def _compile_once() -> None:
    """Call the kernels, so that one process of a machine compiles them and the others wait."""
    with one_compiles("nearest_centroids"):
        one, row = np.ones((1, 1), np.float32), np.zeros(1, np.int64)
        for bits in (np.int16, np.int32):
            tile = np.zeros((1, 1), bits), one[0], one, one
            keep_best(*tile, 0, np.zeros(1), row.copy())
        add_rows(one, row, np.zeros((1, 1)), row.copy())
