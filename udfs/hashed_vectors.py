"""Search for pairs of similar vectors among those that agree in a hash, table by table."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction
from udfs.bucket_kernel import SKETCH_WORDS, link_buckets, sort_into_buckets
from udfs.compiled import one_compiles
from udfs.forest import forest_batches, no_edges
from udfs.hyperplane_plan import HashPlan
from udfs.random_planes import plane_sides
from udfs.vectors import Vectors

WORD_BITS = 64
_HASH_BYTES = 128 << 20  # of the tables that a task computes at once
_MOST_AT_ONCE = 16  # tables, from which on more would not be faster


def sketches(vectors: Vectors) -> NDArray[np.uint64]:
    """(n, SKETCH_WORDS): hashes of the vectors of as many bits as HashPlan compares."""
    return np.ascontiguousarray(plane_sides(vectors, range(SKETCH_WORDS), WORD_BITS).T)


def tables_at_once(n_rows: int) -> int:
    """How many tables of hashes of n_rows vectors a task should have at least."""
    return max(1, min(_MOST_AT_ONCE, _HASH_BYTES // (8 * n_rows)))


def link_by_hashes(
    vectors: Vectors,
    of_vectors: NDArray[np.uint64],
    uids: pa.Array,
    plan: HashPlan,
    threshold: float,
) -> BatchFunction:
    """The forest (node, root), uids, of vectors with a product of at least the threshold.

    vectors: (n, dimension); of_vectors: their sketches. batches: a column of numbers of tables,
    from 0; the rows of each bucket of these are compared.
    """

    def linked(batches: Batches) -> Iterator[pa.RecordBatch]:
        _compile_once()
        tables = [SKETCH_WORDS + n for batch in batches for n in batch.column(0).to_pylist()]
        at_once = tables_at_once(len(vectors))
        parents = no_edges(len(vectors))
        starts = np.empty((1 << plan.bits) + 1, np.int64)
        order = np.empty(len(vectors), np.int64)
        for first in range(0, len(tables), at_once):
            for hashes in plane_sides(vectors, tables[first : first + at_once], plan.bits):
                sort_into_buckets(hashes, starts, order)
                link_buckets(
                    order, starts, of_vectors, plan.most_different, vectors, threshold, parents
                )
        yield from forest_batches(uids, parents)

    return linked


def _compile_once() -> None:
    """Call the kernels, so that one process of a machine compiles them and the others wait."""
    with one_compiles("hashed_vectors"):
        words, order = np.zeros((1, SKETCH_WORDS), np.uint64), np.zeros(1, np.int64)
        starts, one = np.zeros(3, np.int64), np.ones((1, 1), np.float32)
        plane_sides(one, [0], 1)
        sort_into_buckets(words[:, 0].copy(), starts, order)
        link_buckets(order, starts, words, 0, one, 1.0, order)
