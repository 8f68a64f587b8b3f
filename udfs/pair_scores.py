"""CLIP scores of a task's pairs: cosines of their image and caption vectors."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from udfs.arrow import Batches, BatchFunction
from udfs.vectors import stored_cosines, unit_matrix


def cosines_of_pairs(
    keys: Sequence[str], *, image: str, caption: str, score: str, tables: tuple[str, str]
) -> BatchFunction:
    """For mapInArrow: keys and two vectors, `image` and `caption` -> keys and their cosine.

    Cosines have six decimals. `keys`: names of the key columns, the uid first. A vector that is not
    of unit length raises TaskInputError; `tables`: of images and captions, for its message.
    """

    def score_rows(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            uids = batch.column(keys[0])
            images = unit_matrix(batch.column(image), uids, tables[0])
            captions = unit_matrix(batch.column(caption), uids, tables[1])
            cosines = stored_cosines(np.einsum("ij,ij->i", images, captions))
            row_keys = [batch.column(name) for name in keys]
            yield pa.RecordBatch.from_arrays([*row_keys, pa.array(cosines)], [*keys, score])

    return score_rows
