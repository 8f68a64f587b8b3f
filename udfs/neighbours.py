"""The k nearest vectors to each query, by exact search over block after block."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.arrow import Batches
from udfs.compiled import compiled
from udfs.vectors import Vectors, matrix

BLOCK_ROWS = 1 << 16
_OUTPUT_ROWS = 100_000
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Nearest:
    """The k vectors of all that were added that are nearest to each of n queries, by inner product.

    Of equally near ones those with the smallest `ties` stay, whatever the order of the blocks.
    """

    def __init__(self, queries: Vectors, k: int) -> None:
        self._queries = np.ascontiguousarray(queries, np.float32)
        self._k = k
        n = len(queries)
        self.similarity = np.full((n, 0), -np.inf, np.float32)
        self._ties = np.zeros((n, 0), np.int64)
        self._refs = np.zeros((n, 0), np.int64)
        self._uids = pa.chunked_array([pa.array([], pa.string())])

    def add(self, vectors: Vectors, uids: pa.Array, ties: NDArray[np.int64]) -> None:
        """Compare a block of vectors (m, dimension) with every query."""
        import faiss

        if not len(vectors):
            return
        groups = _equal_vectors(vectors, ties)
        distinct = np.ascontiguousarray(vectors if groups.are_single else vectors[groups.first])
        k = min(self._k, len(distinct))
        metric = faiss.METRIC_INNER_PRODUCT
        similarity, group = faiss.knn(self._queries, distinct, k, metric=metric)
        similarity, members = groups.members(similarity, group, self._k)
        refs = np.where(members < 0, -1, members + len(self._uids))
        self._uids = pa.chunked_array([*self._uids.chunks, uids.cast(pa.string())])
        self._merge(similarity, np.where(members < 0, 0, ties[members]), refs)
        if len(self._uids) > 4 * self._refs.size + BLOCK_ROWS:
            self._forget_uids()

    def _merge(self, similarity: Vectors, ties: NDArray[np.int64], refs: NDArray[np.int64]) -> None:
        similarity = np.concatenate([self.similarity, similarity], axis=1)
        ties = np.concatenate([self._ties, ties], axis=1)
        refs = np.concatenate([self._refs, refs], axis=1)
        if similarity.shape[1] > self._k:
            chosen = _largest(similarity, ties, self._k)
            similarity = np.take_along_axis(similarity, chosen, axis=1)
            ties = np.take_along_axis(ties, chosen, axis=1)
            refs = np.take_along_axis(refs, chosen, axis=1)
        self.similarity, self._ties, self._refs = similarity, ties, refs

    def _forget_uids(self) -> None:
        used = np.unique(self._refs[self._refs >= 0])
        self._uids = pa.chunked_array([self._uids.take(pa.array(used)).combine_chunks()])
        self._refs = np.where(self._refs < 0, -1, np.searchsorted(used, self._refs))

    def found(self) -> pa.RecordBatch:
        """Columns query, uid, similarity, tie: of each query the k nearest, nearest first."""
        order = np.lexsort((self._ties, -self.similarity), axis=1)
        refs = np.take_along_axis(self._refs, order, axis=1)
        ties = np.take_along_axis(self._ties, order, axis=1)
        similarity = np.take_along_axis(self.similarity, order, axis=1)
        there = refs >= 0
        query, _ = np.nonzero(there)
        uids = self._uids.take(pa.array(refs[there]))
        uids = uids.combine_chunks() if isinstance(uids, pa.ChunkedArray) else uids
        return pa.RecordBatch.from_arrays(
            [
                pa.array(query.astype(np.int32)),
                uids,
                pa.array(similarity[there]),
                pa.array(ties[there]),
            ],
            ["query", "uid", "similarity", "tie"],
        )


class _Groups:
    """Rows with equal vectors: one stands for all, and its fellows follow by their ties."""

    def __init__(self, order: NDArray[np.int64], starts: NDArray[np.int64]) -> None:
        self._order, self._starts = order, starts
        self._sizes = np.diff(np.append(starts, order.size))
        self.first = order[starts]
        self.are_single = order.size == starts.size

    def members(
        self, similarity: Vectors, group: NDArray[np.int64], k: int
    ) -> tuple[Vectors, NDArray[np.int64]]:
        """Rows in place of groups, to at most k for each query: (similarity, rows), -1 for none."""
        if self.are_single:
            return similarity, self.first[group]
        sizes = self._sizes[group]
        before = np.cumsum(sizes, axis=1) - sizes
        taken = np.clip(k - before, 0, sizes)
        query = np.repeat(np.arange(len(group)), taken.sum(axis=1))
        flat = taken.ravel()
        inside = np.arange(flat.sum()) - np.repeat(np.cumsum(flat) - flat, flat)
        column = np.repeat(before.ravel(), flat) + inside
        rows = np.full((len(group), k), -1, np.int64)
        nearness = np.full((len(group), k), -np.inf, np.float32)
        rows[query, column] = self._order[np.repeat(self._starts[group].ravel(), flat) + inside]
        nearness[query, column] = np.repeat(similarity.ravel(), flat)
        return nearness, rows


def _equal_vectors(vectors: Vectors, ties: NDArray[np.int64]) -> _Groups:
    hashed = _hashes(np.ascontiguousarray(vectors, np.float32).view(np.uint32))
    if np.unique(hashed).size == hashed.size:
        every = np.arange(hashed.size)
        return _Groups(every, every)
    order = np.lexsort((ties, hashed))
    is_new = np.append(True, np.diff(hashed[order]) != 0)
    alike = np.flatnonzero(~is_new)  # by their hash; equal where the vectors are
    is_new[alike] = (vectors[order[alike]] != vectors[order[alike - 1]]).any(axis=1)
    return _Groups(order, np.flatnonzero(is_new))


@compiled
def _hashes(words: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """A hash of each row of words, (n,): the sum of the words, each times a number of its place."""
    hashed = np.empty(words.shape[0], np.uint64)
    for row in range(words.shape[0]):
        total = np.uint64(0)
        factor = _MULTIPLIER
        for k in range(words.shape[1]):
            total += np.uint64(words[row, k]) * (factor | np.uint64(1))
            factor += _MULTIPLIER
        hashed[row] = total
    return hashed


def _largest(similarity: Vectors, ties: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Positions of each row's k largest values; of equal ones those with the smallest ties."""
    chosen = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    bound = np.take_along_axis(similarity, chosen, axis=1).min(axis=1, keepdims=True)
    unclear = np.flatnonzero((similarity >= bound).sum(axis=1) > k)
    if unclear.size:
        order = np.lexsort((ties[unclear], -similarity[unclear]), axis=1)
        chosen[unclear] = order[:, :k]
    return chosen


def nearest_in_task(
    batches: Batches, queries: Vectors, k: int, first: int
) -> Iterator[pa.RecordBatch]:
    """`Nearest.found` of all batches of a task: columns uid, embedding, tie.

    The queries are numbered from `first` on.
    """
    nearest = Nearest(queries, k)
    for table in blocks(batches, BLOCK_ROWS):
        vectors = matrix(table["embedding"])
        nearest.add(vectors, table["uid"].combine_chunks(), table["tie"].to_numpy())
    found = nearest.found()
    numbered = pc.add(found.column(0), pa.scalar(first, pa.int32()))
    found = pa.RecordBatch.from_arrays([numbered, *found.columns[1:]], found.schema.names)
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
