"""The centroid of largest inner product with each vector, exact, and sums by centroid."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction
from udfs.centroid_kernel import add_rows, keep_best, keep_best_pairs
from udfs.compiled import one_compiles
from udfs.device_products import DeviceCentroids, device_worth, if_room
from udfs.neighbours import blocks
from udfs.products import Products, fastest_products
from udfs.vectors import Vectors, finite_matrix, slices, vector_lists

_BLOCK_ROWS = 1 << 13
_DEVICE_ROWS = 1 << 16  # vectors on a GPU at once


class CentroidSearch:
    """The centroid of largest inner product with each vector, of fixed centroids.

    Products that could be the largest are summed in float64; of equal ones the first centroid is
    taken. On the task's GPU once so much was to do that starting the GPU is worth it.
    """

    def __init__(self, centroids: Vectors) -> None:
        self._centroids = centroids
        self._n_multiplications = 0
        self._device: DeviceCentroids | None = None
        self._was_device_tried = False

    def of(self, vectors: Vectors) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(number of the best centroid, its product) of each of vectors (n, dimension)."""
        best = np.full(len(vectors), -np.inf)
        best_centroid = np.full(len(vectors), -1, np.int64)
        self._n_multiplications += vectors.size * len(self._centroids)
        self._try_device()
        for rows in slices(len(vectors), len(vectors) if self._device is None else _DEVICE_ROWS):
            part = vectors[rows], self._centroids, best[rows], best_centroid[rows]
            block = None if self._device is None else self._device.upload(vectors[rows])
            if self._device is None or block is None:
                self._device = None  # that has no room
                keep_best_of_tiles(fastest_products(vectors[rows], len(self._centroids)), *part)
                continue
            for pairs in self._device.pairs(block):
                keep_best_pairs(*pairs, *part)
        return best_centroid, best

    def _try_device(self) -> None:
        if self._was_device_tried:
            return
        device = device_worth(self._n_multiplications)
        if device is not None:
            self._was_device_tried = True
            self._device = if_room(DeviceCentroids, self._centroids, device)


def keep_best_of_tiles(
    products: Products,
    vectors: Vectors,
    centroids: Vectors,
    best: NDArray[np.float64],
    best_centroid: NDArray[np.int64],
) -> None:
    """Update the best centroid of each vector in place; products: those of the vectors."""
    for tile in products.tiles(centroids):
        keep_best(
            tile.products,
            tile.slack,
            vectors[tile.queries],
            centroids[tile.rows],
            tile.rows.start,
            best[tile.queries],
            best_centroid[tile.queries],
        )


def nearest_centroids(
    vectors: Vectors, centroids: Vectors
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(number of the centroid of largest inner product, that product) of each vector, (n,) each.

    vectors: (n, dimension), centroids: (k, dimension), of any length; see CentroidSearch.
    """
    return CentroidSearch(centroids).of(vectors)


def add_nearest_centroid(
    centroids: Vectors, is_target: NDArray[np.bool_], *, names: list[str], table: str
) -> BatchFunction:
    """For mapInArrow: uid, embedding -> uid, cluster, its product, and its `is_target`.

    centroids: (k, dimension); is_target: (k,). Raises TaskInputError if a vector of `table` has
    another dimension, a NaN or an infinity.
    """

    def assign(batches: Batches) -> Iterator[pa.RecordBatch]:
        _compile_once()
        search = CentroidSearch(centroids)
        for chunk in blocks(batches, _BLOCK_ROWS):
            uids, embeddings = chunk.columns
            vectors = finite_matrix(embeddings, uids, table)
            cluster, similarity = search.of(vectors)
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
        search = CentroidSearch(longer)
        sums = np.zeros(centroids.shape, np.float64)
        counts = np.zeros(len(centroids), np.int64)
        for chunk in blocks(batches, _BLOCK_ROWS):
            vectors = finite_matrix(chunk.column(1), chunk.column(0), table)
            with_one = np.column_stack([vectors, np.ones(len(vectors), np.float32)])
            cluster, _ = search.of(with_one)
            add_rows(vectors, cluster, sums, counts)
        [used] = np.nonzero(counts)
        lists = pa.ListArray.from_arrays(
            pa.array(np.arange(len(used) + 1, dtype=np.int32) * centroids.shape[1]),
            pa.array(sums[used].reshape(-1)),
        )
        columns = [pa.array(used.astype(np.int32)), pa.array(counts[used]), lists]
        yield pa.RecordBatch.from_arrays(columns, names)

    return summed


def means_of_sums(names: list[str]) -> BatchFunction:
    """For mapInArrow: cluster, number, sum of vectors -> cluster, mean, float32.

    The rows of a cluster follow each other, and their sums are added in this order.
    """

    def means(batches: Batches) -> Iterator[pa.RecordBatch]:
        cluster, count, total = -1, 0, np.zeros(0)
        for batch in batches:
            clusters, counts = (batch.column(i).to_numpy() for i in (0, 1))
            sums = batch.column(2).flatten().to_numpy().reshape(batch.num_rows, -1)
            for number, n_rows, vector in zip(clusters.tolist(), counts, sums, strict=True):
                if number != cluster:
                    if count:
                        yield _mean_row(cluster, total / count, names)
                    cluster, count, total = number, 0, np.zeros(len(vector))
                count += n_rows
                total += vector
        if count:
            yield _mean_row(cluster, total / count, names)

    return means


def _mean_row(cluster: int, mean: NDArray[np.float64], names: list[str]) -> pa.RecordBatch:
    vectors = pa.array([mean.astype(np.float32)], pa.list_(pa.float32()))
    return pa.RecordBatch.from_arrays([pa.array([cluster], pa.int32()), vectors], names)


def add_centroid(
    centroids: Vectors, is_target: NDArray[np.bool_] | None, *, names: list[str]
) -> BatchFunction:
    """For mapInArrow: numbers of centroids -> number, its `is_target` (null if None), its vector.

    centroids: (k, dimension); is_target: (k,).
    """

    def with_centroid(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            numbers = batch.column(0).to_numpy()
            is_near = pa.nulls(len(numbers), pa.bool_())
            if is_target is not None:
                is_near = pa.array(is_target[numbers])
            vectors = vector_lists(centroids[numbers], pa.array(np.ones(len(numbers), np.bool_)))
            yield pa.RecordBatch.from_arrays([batch.column(0), is_near, vectors], names)

    return with_centroid


def _compile_once() -> None:
    """Call the kernels, so that one process of a machine compiles them and the others wait."""
    with one_compiles("nearest_centroids"):
        one, row = np.ones((1, 1), np.float32), np.zeros(1, np.int64)
        for bits in (np.int16, np.int32):
            tile = np.zeros((1, 1), bits), one[0], one, one
            keep_best(*tile, 0, np.zeros(1), row.copy())
        keep_best_pairs(row, row, one, one, np.zeros(1), row.copy())
        add_rows(one, row, np.zeros((1, 1)), row.copy())
