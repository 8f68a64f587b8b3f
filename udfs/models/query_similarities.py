"""Embed a task's texts and compare each with the vectors of its query."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from udfs.arrow import Batches, BatchFunction
from udfs.models.embedding import embed_with_model
from udfs.models.spec import ModelSpec
from udfs.vectors import Vectors, stored_cosines


def similarities_to_queries(
    spec: ModelSpec,
    query_vectors: Mapping[str, Vectors],
    *,
    text: str,
    query: str,
    kept: Sequence[str],
) -> BatchFunction:
    """For mapInArrow: `text` and `query` -> the columns `kept` and a cosine per kind of query.

    `query_vectors`: kind -> unit vectors of its queries, (n, dimension); the column `query` is a
    position among them. Cosines have six decimals, and are null for a text without a vector.
    """

    def score(batches: Batches) -> Iterator[pa.RecordBatch]:
        for window, text_vectors, faults in embed_with_model(spec, "text", batches, text):
            positions = window[query].to_numpy()
            similarities = {
                kind: _cosines(text_vectors, vectors[positions], faults)
                for kind, vectors in query_vectors.items()
            }
            kept_columns = [window[name].combine_chunks() for name in kept]
            yield pa.RecordBatch.from_arrays(
                [*kept_columns, *similarities.values()], [*kept, *similarities]
            )

    return score


def _cosines(some: Vectors, others: Vectors, faults: pa.StringArray) -> pa.FloatArray:
    """The cosine of each pair of unit vectors, to six decimals; null where `faults` has a value."""
    cosines = stored_cosines(np.einsum("ij,ij->i", some, others))
    return pa.array(cosines, mask=faults.is_valid().to_numpy(zero_copy_only=False))
