"""On which side of random planes vectors lie: the bits of their hashes."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from udfs.bucket_kernel import pack_signs
from udfs.products import has_bfloat16, has_torch
from udfs.vectors import Vectors

_SEED = 0  # always the same planes, so that the same rows give the same pairs again
_CHUNK_ROWS = 1 << 12
# Of a vector's numbers, relative to each: the angle of two changes by twice that at most.
BFLOAT16_ROUNDING = 2.0**-8


def plane_sides(vectors: Vectors, tables: Sequence[int], n_bits: int) -> NDArray[np.uint64]:
    """(tables, n): for each table, the sides of n_bits planes of its own, as bits.

    vectors: (n, dimension). The planes pass through the origin, in all directions alike. In
    bfloat16 where the processor multiplies such numbers, 40 times as fast as numpy does float32.
    """
    dimension = vectors.shape[1]
    planes = np.hstack([_normals(dimension, n_bits, table) for table in tables])
    words = np.empty((len(tables), len(vectors)), np.uint64)
    is_above = _comparison(planes)
    for start in range(0, len(vectors), _CHUNK_ROWS):
        stop = min(len(vectors), start + _CHUNK_ROWS)
        part = np.empty((len(tables), stop - start), np.uint64)  # contiguous, as compiled for
        pack_signs(is_above(vectors[start:stop]), part)
        words[:, start:stop] = part
    return words


def _normals(dimension: int, n: int, table: int) -> Vectors:
    random = np.random.default_rng([_SEED, table])
    return random.standard_normal((dimension, n), dtype=np.float32)


def _comparison(planes: Vectors) -> Callable[[Vectors], NDArray[np.bool_]]:
    if not has_torch():
        return lambda vectors: vectors @ planes >= 0
    import torch

    kind = torch.bfloat16 if has_bfloat16() else torch.float32
    normals = torch.from_numpy(planes).to(kind)
    return lambda vectors: (torch.from_numpy(vectors).to(kind) @ normals >= 0).numpy()
