"""Exact search for pairs of vectors whose inner product reaches a threshold, block by block."""

from collections.abc import Iterator
from itertools import groupby

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction
from udfs.compiled import one_compiles
from udfs.equal_rows import distinct_rows
from udfs.forest import forest_batches, link_all, no_edges
from udfs.neighbours import blocks
from udfs.products import Products, Tile, fastest_products
from udfs.similar_kernel import keep_most_similar, link_similar
from udfs.upper_bounds import ROUNDING, UpperBounds, upper_bounds
from udfs.vectors import Vectors, finite_matrix, unit_matrix

_CHUNK_ROWS = 1 << 13  # vectors compared with a block at once
_WORTH_BOUNDS = 1 << 22  # products from which on it pays to look for the axes of bounds


class BoundedProducts:
    """Upper bounds of the products of fixed vectors with others, in tiles; see udfs.products."""

    def __init__(self, vectors: Vectors, others: Vectors, n_others: int, threshold: float) -> None:
        is_worth_it = len(vectors) * n_others >= _WORTH_BOUNDS
        bounds = upper_bounds(vectors, others, threshold) if is_worth_it else UpperBounds(None)
        self._bounds = bounds
        short = np.ascontiguousarray(self._bounds.shortened(vectors))
        self._lengths = np.linalg.norm(short, axis=1)
        self._products: Products = fastest_products(short, n_others)

    def tiles(self, vectors: Vectors) -> Iterator[tuple[Tile, Vectors]]:
        """The tiles, and how much less than the product each bound of a row may be."""
        short = np.ascontiguousarray(self._bounds.shortened(vectors))
        longest = float(np.linalg.norm(short, axis=1).max(initial=0))
        for tile in self._products.tiles(short):
            yield tile, tile.slack + self._lengths[tile.queries] * np.float32(longest * ROUNDING)


class SimilarBlock:
    """A block of vectors, linked by the vectors that reach the threshold with several of it."""

    def __init__(self, vectors: Vectors, uids: pa.Array, n_rows: int, threshold: float) -> None:
        self._threshold, self._uids = threshold, uids
        self._parents = no_edges(len(uids))
        distinct, first_of_row = distinct_rows(vectors)
        link_all(np.arange(len(uids)), first_of_row, self._parents)
        self._nodes, self._vectors = distinct, vectors[distinct]
        self._distinct_parents = no_edges(len(distinct))
        self._products = BoundedProducts(self._vectors, self._vectors, n_rows, threshold)
        for start in range(0, len(distinct), _CHUNK_ROWS):
            stop = min(len(distinct), start + _CHUNK_ROWS)
            self._link(self._vectors[start:stop], np.arange(start, stop))

    def add(self, vectors: Vectors, uids: pa.Array) -> pa.RecordBatch:
        """Compare other vectors with the block; the edges (uid, a uid of the block) of those."""
        linked = np.full(len(vectors), -1, np.int64)
        self._link(vectors, linked)
        [found] = np.nonzero(linked >= 0)
        roots = self._uids.take(pa.array(self._nodes[linked[found]]))
        return pa.RecordBatch.from_arrays([uids.take(pa.array(found)), roots], ["node", "root"])

    def _link(self, vectors: Vectors, linked: NDArray[np.int64]) -> None:
        for tile, slack in self._products.tiles(vectors):
            link_similar(
                tile.products,
                slack,
                self._threshold,
                self._vectors[tile.queries],
                vectors[tile.rows],
                tile.queries.start,
                self._distinct_parents,
                linked[tile.rows],
            )

    def edges(self) -> Iterator[pa.RecordBatch]:
        """The forest of the block's own vectors, after all others were added."""
        link_all(self._nodes, self._nodes[self._distinct_parents], self._parents)
        yield from forest_batches(self._uids, self._parents)


def link_blocks(threshold: float, n_rows: int, table: str) -> BatchFunction:
    """The edges (node, root) of vectors with a cosine of at least the threshold.

    batches: columns block, is_stored, uid and embedding, those of one block together and the stored
    ones first; each block is compared with about n_rows rows. Raises TaskInputError for a vector of
    `table` that is not of unit length.
    """

    def block_edges(parts: Batches) -> Iterator[pa.RecordBatch]:
        block = None
        for is_stored, side in groupby(parts, key=lambda part: part["is_stored"][0].as_py()):
            if is_stored:
                stored = pa.Table.from_batches(side)
                vectors = unit_matrix(stored["embedding"], stored["uid"], table)
                uids = stored["uid"].combine_chunks()
                block = SimilarBlock(vectors, uids, n_rows, threshold)
            elif block is not None:
                for chunk in blocks(side, _CHUNK_ROWS):
                    vectors = unit_matrix(chunk["embedding"], chunk["uid"], table)
                    yield block.add(vectors, chunk["uid"].combine_chunks())
        if block is not None:
            yield from block.edges()

    def linked(batches: Batches) -> Iterator[pa.RecordBatch]:
        _compile_once()
        parts = (part for batch in batches for part in _of_one_block(batch))
        for _, of_block in groupby(parts, key=lambda part: part["block"][0].as_py()):
            yield from block_edges(of_block)

    return linked


def _of_one_block(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Slices of rows that are of one block, and all stored or all not."""
    kind = 2 * batch["block"].to_numpy() + batch["is_stored"].to_numpy(zero_copy_only=False)
    ends = [*(np.flatnonzero(np.diff(kind)) + 1), batch.num_rows]
    start = 0
    for end in ends if batch.num_rows else ():
        yield batch.slice(start, end - start)
        start = end


def most_similar_items(
    items: Vectors, sets: NDArray[np.int64], n_sets: int, threshold: float, n_rows: int, table: str
) -> BatchFunction:
    """The item of each set with the largest inner product with a row, if above the threshold.

    items: (n, dimension); sets: (n,), the set of each, ascending. batches: key columns, then the
    embedding, of `table`, about n_rows in all. Yields the key columns, item (its row) and product;
    of items with equal products the first. Vectors are taken as they are, of any length; raises
    TaskInputError if one has a NaN or an infinity.
    """

    def found(batches: Batches) -> Iterator[pa.RecordBatch]:
        _compile_once()
        products = None
        for chunk in blocks(batches, _CHUNK_ROWS):
            vectors = finite_matrix(chunk.columns[-1], chunk.columns[0], table)
            products = products or BoundedProducts(items, vectors, n_rows, threshold)
            best = np.full((len(vectors), n_sets), -np.inf)
            best_item = np.full(best.shape, -1, np.int64)
            for tile, slack in products.tiles(vectors):
                keep_most_similar(
                    tile.products,
                    slack,
                    threshold,
                    items[tile.queries],
                    vectors[tile.rows],
                    tile.queries.start,
                    sets[tile.queries],
                    best[tile.rows],
                    best_item[tile.rows],
                )
            row, group = np.nonzero(best_item >= 0)
            keys = chunk.select(chunk.column_names[:-1]).take(pa.array(row)).combine_chunks()
            values = {"item": best_item[row, group], "value": best[row, group]}
            for name, value in values.items():
                keys = keys.append_column(name, pa.array(value))
            yield from keys.to_batches()

    return found


def _compile_once() -> None:
    """Call the kernels, so that one process of a machine compiles them and the others wait."""
    with one_compiles("similar_vectors"):
        one, row = np.ones((1, 1), np.float32), np.zeros(1, np.int64)
        distinct_rows(one)
        for bits in (np.int16, np.int32):
            tile = np.zeros((1, 1), bits), one[0], 2.0, one, one, 0
            link_similar(*tile, row, row.copy())
            keep_most_similar(*tile, row, one.astype(np.float64), one.astype(np.int64))
