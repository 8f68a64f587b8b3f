"""Rows of images that stand together, where batches end in the middle of one."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.arrow import one_batch


def image_starts(names: pa.Array) -> NDArray[np.int64]:
    """(n_images + 1,): the rows where an image starts, and the number of rows."""
    n = len(names)
    if not n:
        return np.zeros(1, np.int64)
    is_other = pc.fill_null(pc.not_equal(names.slice(1), names.slice(0, n - 1)), True)
    return np.concatenate([[0], np.flatnonzero(np.asarray(is_other)) + 1, [n]]).astype(np.int64)


def whole_images(batches: Iterable[pa.RecordBatch], name: str) -> Iterator[pa.RecordBatch]:
    """The rows in batches that no image spans; column `name` tells the images apart."""
    held: list[pa.RecordBatch] = []  # rows of one image, which may go on
    for batch in batches:
        if not batch.num_rows:
            continue
        names = batch.column(batch.schema.get_field_index(name))
        if held and held[-1].column(held[-1].schema.get_field_index(name))[-1] != names[0]:
            yield one_batch(held)
            held = []
        last = int(image_starts(names)[-2])
        if last:
            yield one_batch([*held, batch.slice(0, last)])
            held = []
        held.append(batch.slice(last))
    if held:
        yield one_batch(held)
