"""Search for pairs of similar vectors among those that agree in a hash, table by table."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from udfs.arrow import Batches, BatchFunction
from udfs.bucket_kernel import SKETCH_WORDS, WORD_BITS, link_buckets, sort_into_buckets
from udfs.compiled import one_compiles
from udfs.equal_rows import distinct_rows
from udfs.forest import forest_batches, link_all, no_edges, roots_of
from udfs.hyperplane_plan import HashPlan
from udfs.random_planes import plane_sides
from udfs.vectors import Vectors

_HASH_BYTES = 128 << 20  # of the tables that a task computes at once
_MOST_AT_ONCE = 16  # tables, from which on more would not be faster


def tables_at_once(n_rows: int) -> int:
    """How many tables of n_rows vectors are computed at once; tasks of fewer cost more in all."""
    return max(1, min(_MOST_AT_ONCE, _HASH_BYTES // (8 * n_rows)))


def link_by_hashes(
    vectors: Vectors, uids: pa.Array, plan: HashPlan, threshold: float
) -> BatchFunction:
    """The forest (node, root), uids, of vectors with a product of at least the threshold.

    vectors: (n, dimension), and the n uids. batches: a column of numbers of tables, from 0; the
    rows of each bucket of these are compared, copies only once.
    """
    _compile_once()
    distinct, first_of_row = distinct_rows(vectors)
    sketches = np.ascontiguousarray(plane_sides(vectors, range(SKETCH_WORDS), WORD_BITS).T)

    def linked(batches: Batches) -> Iterator[pa.RecordBatch]:
        _compile_once()
        tables = [SKETCH_WORDS + n for batch in batches for n in batch.column(0).to_pylist()]
        at_once = tables_at_once(len(vectors))
        parents = no_edges(len(vectors))
        if SKETCH_WORDS in tables:  # one task
            link_all(np.arange(len(vectors)), first_of_row, parents)
        starts = np.empty((1 << plan.bits) + 1, np.int64)
        order = np.empty(len(distinct), np.int64)
        for first in range(0, len(tables), at_once):
            for hashes in plane_sides(vectors, tables[first : first + at_once], plan.bits):
                sort_into_buckets(hashes, distinct, starts, order)
                link_buckets(
                    order, starts, sketches, plan.most_different, vectors, threshold, parents
                )
        yield from forest_batches(uids, parents)

    return linked


def _compile_once() -> None:
    """Call the kernels, so that one process of a machine compiles them and the others wait."""
    with one_compiles("hashed_vectors"):
        words, rows = np.zeros((1, SKETCH_WORDS), np.uint64), np.zeros(1, np.int64)
        starts, one = np.zeros(3, np.int64), np.ones((1, 1), np.float32)
        plane_sides(one, [0], 1)
        distinct_rows(one)
        sort_into_buckets(words[0], rows, starts, rows.copy())
        link_buckets(rows, starts, words, 0, one, 1.0, rows.copy())
        link_all(rows, rows, rows.copy())
        roots_of(rows)
