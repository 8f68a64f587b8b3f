"""Search on a GPU for the pairs of vectors whose inner product could be among the largest.

A GPU multiplies in bfloat16 and, of the few pairs whose products could be large enough by a bound
on their errors, in float64. Where the rounding of float64 could decide, the host recomputes the
product, so that results are those of a CPU, bit for bit.
"""

import sys
from collections.abc import Iterator
from functools import partial
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from udfs.device_vectors import DevicePairs, DeviceVectors
from udfs.models.device import device_of_task, is_out_of_memory
from udfs.models.encoder import halving
from udfs.models.spec import ModelError
from udfs.products import Products, fastest_products, has_torch
from udfs.vectors import Vectors, slices

T = TypeVar("T", bound="_OnDevice")
Rows: TypeAlias = NDArray[np.int64]

_TILE = 1 << 26  # products of a tile: 128 MB, and half as much for the comparison with a bound
_TILE_QUERIES, _TILE_CENTROIDS = 1 << 13, 1 << 14
_FIRST_ROWS = 1 << 10  # of a search without a bound, so that the host does not get all pairs
_WORTH_DEVICE = 2e12  # multiplications that take a CPU as long as it takes to start a GPU
_WORTH_STARTED_DEVICE = 1e10  # the same where the process has used the GPU already


def device_worth(n_multiplications: float) -> str | None:
    """The GPU of the task, or "cpu" if it has none; None if the work is not worth looking for one.

    No task fails for want of a GPU: one that Spark assigned and that is not there counts as none.
    """
    torch = sys.modules.get("torch")
    is_started = torch is not None and torch.cuda.is_initialized()
    worth = _WORTH_STARTED_DEVICE if is_started else _WORTH_DEVICE
    if n_multiplications < worth:
        return None
    if not has_torch():
        return "cpu"
    try:
        device = device_of_task("auto")
    except ModelError:
        return "cpu"
    return device if device == "cpu" or _has_bfloat16(device) else "cpu"


def _has_bfloat16(device: str) -> bool:
    import torch

    return torch.cuda.get_device_capability(device) >= (8, 0)


class _OnDevice:
    """Fixed vectors on a device."""

    def __init__(self, fixed: Vectors, device: str) -> None:
        self._device = device
        self._fixed = DeviceVectors.of(fixed, device)
        one = slice(0, 1)  # a product now, since its library allocates memory too
        DevicePairs(self._fixed, self._fixed).products(one, one)

    def upload(self, vectors: Vectors) -> DeviceVectors | None:
        """Vectors to compare with the fixed ones; None if the device has no room for them."""
        return DeviceVectors.if_room(vectors, self._device)


def if_room(kind: type[T], fixed: Vectors, device: str | None) -> T | None:
    """Fixed vectors on a GPU; None if the device is none or has no room for them."""
    if device in (None, "cpu"):
        return None
    try:
        return kind(fixed, device)
    except RuntimeError as fault:
        if not is_out_of_memory(fault):
            raise
    return None


class DeviceProducts(_OnDevice):
    """Finds which vectors could be among the k nearest of fixed queries."""

    def pairs(
        self, vectors: DeviceVectors, least: Vectors, k: int
    ) -> Iterator[tuple[slice, tuple[Rows, Rows, Vectors]]]:
        """Parts of the queries, and pairs (query, row, similarity) that may be among the k nearest.

        least: (n,), what a similarity must reach; it may grow between the parts. A similarity is
        the exact one in float32, or NaN where only the host can tell.
        """
        import torch

        pairs = DevicePairs(self._fixed, vectors)
        for queries in slices(len(self._fixed), _TILE_QUERIES):
            start, most_rows = 0, max(1, _TILE // (queries.stop - queries.start))
            while start < len(vectors):
                is_first = start == 0 and np.isneginf(least[queries]).any()
                n_rows = min(most_rows, max(_FIRST_ROWS, 4 * k)) if is_first else most_rows
                rows = slice(start, min(len(vectors), start + n_rows))
                bounds = torch.tensor(least, device=self._device)
                near = partial(_near_pairs, pairs, rows, bounds, k)
                for found in halving(near, range(queries.start, queries.stop), self._device):
                    yield queries, found
                start = rows.stop


def _near_pairs(
    pairs: DevicePairs, rows: slice, least: Any, k: int, positions: range
) -> list[tuple[Rows, Rows, Vectors]]:
    """See DeviceProducts.pairs; positions: those of the queries. Least: (n,), on the device."""
    import torch

    queries = slice(positions.start, positions.stop)
    products = pairs.products(queries, rows)
    bound = pairs.bound(least[queries], queries)
    is_near = products >= bound[:, None]
    if products.shape[1] > k and int(is_near.sum()) > 2 * k * len(products):
        kth = pairs.at_least(_kth_largest(products, k), queries)
        bound = torch.fmax(bound, pairs.bound(kth, queries))
        is_near = products >= bound[:, None]
    del products
    query, row = is_near.nonzero(as_tuple=True)
    query, row = query + queries.start, row + rows.start
    exact, error = pairs.exact(query, row)
    low, high = (exact - error).float(), (exact + error).float()
    is_enough = ~(high < least[query])
    is_certain = (low == high) & (low != 0)  # zero has two signs
    similarity = torch.where(is_certain, low, torch.nan)
    found, rows_found, similarities = (
        column[is_enough].cpu().numpy() for column in (query, row, similarity)
    )
    return [(found, rows_found, similarities)]


def _kth_largest(products: Any, k: int) -> Any:
    """The k-th largest product of each query or a little less, (queries,).

    The largest is taken of some columns each, and of these the k-th largest.
    """
    size = max(1, products.shape[1] // (8 * k))
    n_groups = products.shape[1] // size
    largest = products[:, : size * n_groups].unflatten(1, (size, n_groups)).amax(dim=1)
    return largest.topk(k, dim=1, sorted=False).values.amin(dim=1)


class DeviceCentroids(_OnDevice):
    """Finds which of fixed centroids could have the largest product with vectors."""

    def pairs(self, vectors: DeviceVectors) -> Iterator[tuple[Rows, Rows]]:
        """Pairs (vector, centroid) that may be the best of a vector, its centroids ascending."""
        best = partial(_best_pairs, DevicePairs(vectors, self._fixed))
        n_rows = _TILE // min(_TILE_CENTROIDS, len(self._fixed))
        for rows in slices(len(vectors), n_rows):
            yield from halving(best, range(rows.start, rows.stop), self._device)


def _best_pairs(pairs: DevicePairs, positions: range) -> list[tuple[Rows, Rows]]:
    """See DeviceCentroids.pairs; positions: those of the vectors."""
    import torch

    rows = slice(positions.start, positions.stop)
    device = pairs.some.full.device
    least = torch.full((len(positions),), -torch.inf, device=device)
    candidates = []
    for columns in slices(len(pairs.others), _TILE_CENTROIDS):
        products = pairs.products(rows, columns)
        least = torch.fmax(least, pairs.at_least(products.amax(dim=1), rows))
        is_near = products >= pairs.bound(least, rows)[:, None]
        del products
        row, column = is_near.nonzero(as_tuple=True)
        row, column = row + rows.start, column + columns.start
        candidates.append((row, column, *pairs.exact(row, column)))
    row, column, exact, error = (torch.cat(parts) for parts in zip(*candidates, strict=True))
    low = torch.full((len(positions),), -torch.inf, dtype=torch.float64, device=device)
    low.scatter_reduce_(0, row - rows.start, exact - error, "amax")
    is_near = ~(exact + error < low[row - rows.start])
    return [(row[is_near].cpu().numpy(), column[is_near].cpu().numpy())]


def products_of_task(queries: Vectors, n_rows: int) -> Products | DeviceProducts:
    """The fastest way of this task to search n_rows vectors: its GPU, or the processor."""
    device = device_worth(queries.size * n_rows)
    return if_room(DeviceProducts, queries, device) or fastest_products(queries, n_rows)
