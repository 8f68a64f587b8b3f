"""Approximate inner products of queries with many vectors, in tiles, with bounds on their errors.

A product that is certainly too small need not be exact. So blocks are multiplied in bfloat16 if the
processor has instructions for it, several times as fast as in float32; only the few products that
could be large enough are then recomputed (`nearest_kernel.py`).
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined_sum
from udfs.vectors import Vectors, slices

_TILE_QUERIES, _TILE_ROWS = 512, 1024  # a tile of products fits the level 2 cache
_WORTH_TORCH = 5e11  # multiplications that take as long as the import of torch
SINGLE_ROUNDING = 2.0**-22  # relative error per term of a float32 sum, with a margin
MARGIN = 1.001  # for the rounding of the lengths themselves


@dataclass(frozen=True)
class Tile:
    """Products of some queries with some rows of a block.

    products: (queries, rows), the bits of bfloat16 or float32 numbers as signed integers.
    slack: (queries,), upper bound of the error of each product.
    """

    queries: slice
    rows: slice
    products: NDArray[np.signedinteger[Any]]
    slack: Vectors


class Products(Protocol):
    """Multiplies fixed queries with blocks of vectors."""

    def tiles(self, vectors: Vectors) -> Iterator[Tile]:
        """All products with vectors (n, dimension); each tile overwrites the previous one."""


def fastest_products(queries: Vectors, n_rows: int) -> Products:
    """The fastest way on this machine to multiply queries (n, dimension) with n_rows vectors."""
    if queries.size * n_rows >= _WORTH_TORCH and has_bfloat16():
        return HalfProducts(queries)
    return SingleProducts(queries)


def has_bfloat16() -> bool:
    """Whether torch is installed and the processor has instructions for bfloat16 products."""
    if not has_torch():
        return False
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported())


def has_torch() -> bool:
    """Whether torch is installed, which it need not be to compare vectors."""
    return importlib.util.find_spec("torch") is not None


class SingleProducts:
    """Products in float32."""

    def __init__(self, queries: Vectors) -> None:
        self._queries = queries
        self._norms = _vector_lengths(queries)
        self._buffer = np.empty(_TILE_QUERIES * _TILE_ROWS, np.float32)

    def tiles(self, vectors: Vectors) -> Iterator[Tile]:
        """See Products."""
        longest = _largest(_vector_lengths(vectors))
        slack = self._norms * (longest * vectors.shape[1] * SINGLE_ROUNDING)
        for queries, rows, products in _tiles(len(self._queries), len(vectors), self._buffer):
            np.matmul(self._queries[queries], vectors[rows].T, out=products)
            yield Tile(queries, rows, products.view(np.int32), slack[queries])


class HalfProducts:
    """Products in bfloat16, with errors bounded by the Cauchy-Schwarz inequality.

    For rounded q' = q + e and x' = x + f: |q'x' - qx| <= |e||x| + |q'||f|.
    """

    def __init__(self, queries: Vectors) -> None:
        import torch

        self._half, self._errors, self._norms = to_bfloat16(queries)
        self._queries = torch.from_numpy(self._half).view(torch.bfloat16)
        self._buffer = np.empty(_TILE_QUERIES * _TILE_ROWS, np.int16)

    def tiles(self, vectors: Vectors) -> Iterator[Tile]:
        """See Products."""
        import torch

        half, errors, norms = to_bfloat16(vectors)
        error = _largest(errors)
        longest = _largest(norms) + error
        slack = self._errors * longest + (self._norms + self._errors) * (
            error + longest * vectors.shape[1] * SINGLE_ROUNDING
        )
        slack *= MARGIN
        block = torch.from_numpy(half).view(torch.bfloat16)
        for queries, rows, products in _tiles(len(self._half), len(vectors), self._buffer):
            out = torch.from_numpy(products).view(torch.bfloat16)
            torch.mm(self._queries[queries], block[rows].T, out=out)
            yield Tile(queries, rows, products, slack[queries])


def _tiles(
    n_queries: int, n_rows: int, buffer: NDArray[Any]
) -> Iterator[tuple[slice, slice, NDArray[Any]]]:
    """(queries, rows, view of the buffer for their products) of each tile."""
    for rows in slices(n_rows, _TILE_ROWS):
        for queries in slices(n_queries, _TILE_QUERIES):
            shape = (queries.stop - queries.start, rows.stop - rows.start)
            yield queries, rows, buffer[: shape[0] * shape[1]].reshape(shape)


def _largest(lengths: Vectors) -> float:
    """The largest length, ignoring NaN: a vector with NaN is nobody's neighbour."""
    return float(np.fmax.reduce(lengths, initial=0))


def _vector_lengths(vectors: Vectors) -> Vectors:
    """The length of each vector, (n,)."""
    norms = np.empty(len(vectors), np.float32)
    _lengths(vectors, norms)
    return norms


@compiled
def _lengths(vectors, norms):
    for row in range(vectors.shape[0]):
        norms[row] = np.sqrt(_squared_length(vectors, row))


def to_bfloat16(vectors: Vectors) -> tuple[NDArray[np.int16], Vectors, Vectors]:
    """Round vectors to bfloat16: (bits, length of the rounding error, length) of each vector."""
    half = np.empty(vectors.shape, np.int16)
    errors = np.empty(len(vectors), np.float32)
    norms = np.empty(len(vectors), np.float32)
    back = np.empty(vectors.shape[1], np.int32)
    _halve(vectors, vectors.view(np.int32), half, back, back.view(np.float32), errors, norms)
    return half, errors, norms


@compiled
def _halve(vectors, words, half, back_words, back, errors, norms):
    """Round to nearest, ties to even, as the processor does; `back` is a buffer for one vector."""
    for row in range(vectors.shape[0]):
        for k in range(vectors.shape[1]):
            word = words[row, k]
            word += np.int32(0x7FFF) + ((word >> np.int32(16)) & np.int32(1))
            half[row, k] = np.int16(word >> np.int32(16))
            back_words[k] = word & np.int32(-0x10000)
        errors[row] = np.sqrt(_squared_distance(vectors, row, back))
        norms[row] = np.sqrt(_squared_length(vectors, row))


@inlined_sum
def _squared_distance(vectors, row, other):
    total = np.float32(0)
    for k in range(other.size):
        difference = vectors[row, k] - other[k]
        total += difference * difference
    return total


@inlined_sum
def _squared_length(vectors, row):
    total = np.float32(0)
    for k in range(vectors.shape[1]):
        total += vectors[row, k] * vectors[row, k]
    return total
