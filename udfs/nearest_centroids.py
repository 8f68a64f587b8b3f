"""The centroid of largest inner product with each vector, exact, and sums by centroid."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction
from udfs.compiled import compiled, inlined, one_compiles
from udfs.nearest_kernel import product, sortable
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
        _keep_best(
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
            _add_rows(vectors, cluster, sums, counts)
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
            _keep_best(*tile, 0, np.zeros(1), row.copy())
        _add_rows(one, row, np.zeros((1, 1)), row.copy())


@compiled
def _keep_best(products, slack, vectors, centroids, first, best, best_centroid):
    """Update the best centroid of each vector with those of a tile.

    products: (n, m), the bits of bfloat16 or float32 numbers as signed integers; slack: (n,), their
    largest possible error. A centroid's number is its row plus `first`. Changed in place: best and
    best_centroid, (n,). A product less than the tile's largest by twice the slack is not the best.
    """
    shift = np.int64(32 - 8 * products.itemsize)
    mask = np.int64(0x7FFFFFFF) >> shift
    number = np.empty(1, np.float32)
    bits = number.view(np.int32)
    for row in range(products.shape[0]):
        largest = _largest(products, row, mask)
        bits[0] = sortable(largest, mask) << shift
        least = max(number[0] - slack[row], np.float32(best[row]))  # of the best, at least
        number[0] = least - np.float32(1.001) * slack[row]
        bound = sortable(np.int64(bits[0]), np.int64(0x7FFFFFFF)) >> shift
        if largest < bound:
            continue
        for column in range(products.shape[1]):
            if sortable(np.int64(products[row, column]), mask) < bound:
                continue
            exact = product(vectors, row, centroids, column)
            if exact > best[row]:
                best[row] = exact
                best_centroid[row] = first + column


@inlined
def _largest(products, row, mask):
    """The largest product of a row, sortable; without a branch, so that it vectorises."""
    largest = sortable(np.int64(products[row, 0]), mask)
    for column in range(1, products.shape[1]):
        largest = max(largest, sortable(np.int64(products[row, column]), mask))
    return largest


@compiled
def _add_rows(vectors, cluster, sums, counts):
    """Add each vector to the sum of its cluster, and one to its count, in place."""
    for row in range(vectors.shape[0]):
        counts[cluster[row]] += 1
        for k in range(vectors.shape[1]):
            sums[cluster[row], k] += np.float64(vectors[row, k])
