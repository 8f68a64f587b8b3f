"""Vectors between Arrow's lists and numpy's matrices."""

from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.float32]


def vector_lists(vectors: Vectors, is_sound: pa.BooleanArray) -> pa.ListArray:
    """Vectors (n, dimension) as list<float>, null where a row has none."""
    n, dimension = vectors.shape
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * dimension)
    lists = pa.ListArray.from_arrays(offsets, pa.array(vectors.reshape(-1)))
    return pc.if_else(is_sound, lists, pa.scalar(None, lists.type))


def matrix(lists: pa.ListArray | pa.ChunkedArray) -> Vectors:
    """Lists of one length, none null, as (n, dimension); ValueError where lengths differ."""
    values = pc.list_flatten(lists)
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    lengths = pc.unique(pc.list_value_length(lists)).to_pylist()
    if len(lengths) > 1:
        told = ", ".join(map(str, sorted(lengths)))
        raise ValueError(f"vectors of different lengths: {told}")
    found: Vectors = flat.to_numpy().astype(np.float32, copy=False)
    return found.reshape(len(lists), lengths[0] if lengths else 0)
