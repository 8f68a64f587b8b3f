"""Vectors between Arrow's lists and numpy's matrices, and the cosines of unit vectors."""

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.task_errors import TaskInputError

Vectors: TypeAlias = NDArray[np.float32]

LENGTH_TOLERANCE = 1e-3  # what half precision leaves of a unit vector's length, with room
_ROUNDING = 1e-6  # what single precision leaves of it
SIMILARITY_DECIMALS = 6


def vector_lists(vectors: Vectors, is_sound: pa.BooleanArray) -> pa.ListArray:
    """Vectors (n, dimension) as list<float>, null where a row has none."""
    n, dimension = vectors.shape
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * dimension)
    lists = pa.ListArray.from_arrays(offsets, pa.array(vectors.reshape(-1)))
    return pc.if_else(is_sound, lists, pa.scalar(None, lists.type))


def matrix(lists: pa.ListArray | pa.ChunkedArray) -> Vectors:
    """Lists of one length, none null, as (n, dimension); TaskInputError where lengths differ."""
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
    """The unit vectors of a table as (n, dimension), for whoever compares or indexes them.

    A length off by half precision is set to 1, so that products are cosines. Raises TaskInputError,
    with the table, the key of the row and the length, where one is off by more than 1e-3 or is no
    number: products of such vectors are no cosines.
    """
    vectors = matrix(lists)
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    off = np.abs(lengths - 1)
    wrong = np.flatnonzero(~(off <= LENGTH_TOLERANCE))
    if wrong.size:
        row = int(wrong[0])
        raise TaskInputError(
            f"table {table}: the vector of {keys[row].as_py()!r} has length {lengths[row]:.6g}, "
            "expected 1: import-embeddings makes unit vectors of files, embed-texts and "
            "embed-images of texts and images"
        )
    rough = off > _ROUNDING
    if rough.any():
        vectors = vectors.copy()
        vectors[rough] /= lengths[rough, None]
    return vectors


def stored_cosines(products: NDArray[Any]) -> Vectors:
    """Products of unit vectors as they are stored: rounded to six decimals, in [-1, 1].

    A vector differs in its last bits with the batch that it was computed in: its cosines by up to
    2e-7 in single precision, by about 1e-3 in bfloat16. Rounded, a cosine that is meant to be 1,
    0.5 or 0.82 is just that in single precision, and two rows of equal texts have one score unless
    it lies within 2e-7 of the middle between two six-decimal numbers. Rounding cannot make two
    computations of any vector agree: what repeats exactly is what is computed once and stored, and
    thresholds on the stored column.
    """
    rounded = np.round(np.asarray(products, np.float64), SIMILARITY_DECIMALS)
    return rounded.clip(-1, 1).astype(np.float32)
