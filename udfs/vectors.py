"""Convert vectors between Arrow lists and numpy matrices; cosines of unit vectors."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.task_errors import TaskInputError

Vectors: TypeAlias = NDArray[np.float32]

LENGTH_TOLERANCE = 1e-3  # error of the length of a unit vector in float16, with a margin
_ROUNDING = 1e-6  # the same in float32
SIMILARITY_DECIMALS = 6


def vector_lists(vectors: Vectors, is_sound: pa.BooleanArray) -> pa.ListArray:
    """Vectors (n, dimension) as list<float>, null where not `is_sound`."""
    n, dimension = vectors.shape
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * dimension)
    lists = pa.ListArray.from_arrays(offsets, pa.array(vectors.reshape(-1)))
    return pc.if_else(is_sound, lists, pa.scalar(None, lists.type))


def matrix(lists: pa.ListArray | pa.ChunkedArray) -> Vectors:
    """Lists of equal length, none null, as (n, dimension); TaskInputError if lengths differ."""
    values = pc.list_flatten(lists)
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    lengths = pc.unique(pc.list_value_length(lists)).to_pylist()
    if len(lengths) > 1:
        shown = ", ".join(map(str, sorted(lengths)))
        raise TaskInputError(f"vectors of different lengths: {shown}, expected one")
    numbers: Vectors = flat.to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    return numbers.reshape(len(lists), lengths[0] if lengths else 0)


def unit_matrix(
    lists: pa.ListArray | pa.ChunkedArray, keys: pa.Array | pa.ChunkedArray, table: str
) -> Vectors:
    """The unit vectors of a table as (n, dimension), to be compared or indexed.

    Vectors are normalised if their length is off by the rounding of float16, so that products are
    cosines. Raises TaskInputError, with the table, the key of the row and the length, if a length
    is off by more than LENGTH_TOLERANCE or is NaN.
    """
    vectors = matrix(lists)
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    deviations = np.abs(lengths - 1)
    wrong = np.flatnonzero(~(deviations <= LENGTH_TOLERANCE))  # also NaN
    if wrong.size:
        row = int(wrong[0])
        raise TaskInputError(
            f"table {table}: the vector of {keys[row].as_py()!r} has length {lengths[row]:.6g}, "
            "expected 1: import-embeddings makes unit vectors of files, embed-texts and "
            "embed-images of texts and images"
        )
    is_rough = deviations > _ROUNDING
    if is_rough.any():
        vectors = vectors.copy()
        vectors[is_rough] /= lengths[is_rough, None]
    return vectors


def finite_matrix(
    lists: pa.ListArray | pa.ChunkedArray, keys: pa.Array | pa.ChunkedArray, table: str
) -> Vectors:
    """The vectors of a table as they are, of any length, as (n, dimension).

    Raises TaskInputError, with the table and the key of the row, if one has a NaN or an infinity.
    """
    vectors = matrix(lists)
    wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if wrong.size:
        raise TaskInputError(
            f"table {table}: the vector of {keys[int(wrong[0])].as_py()!r} has a number that is "
            "NaN or infinite: import-embeddings refuses such rows, with a fault"
        )
    return vectors


def stored_cosines(products: NDArray[Any]) -> Vectors:
    """Round products of unit vectors to six decimals in [-1, 1], as they are stored.

    The last bits of a vector depend on the batch it was computed in, and so do its cosines: by up
    to 2e-7 in float32, by about 1e-3 in bfloat16. Rounding makes a float32 cosine that should be 1,
    0.5 or 0.82 exactly that, and gives rows of equal texts equal scores, unless these lie within
    2e-7 of the middle between two six-decimal numbers. It cannot make any two computations agree:
    only scores that are computed once and stored, and thresholds on them, repeat exactly.
    """
    rounded = np.round(np.asarray(products, np.float64), SIMILARITY_DECIMALS)
    return rounded.clip(-1, 1).astype(np.float32)


def slices(n: int, size: int) -> Iterator[slice]:
    """Slices of `size` that cover n positions; the last may be shorter."""
    for start in range(0, n, size):
        yield slice(start, min(n, start + size))
