"""Vectors for the rows of a task, window by window, each distinct item embedded once."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import Batches
from udfs.models.encoder import Encoder, Prepared, encode, one_ahead
from udfs.models.loading import Modality, encoder_of_task
from udfs.models.spec import ModelSpec
from udfs.vectors import Vectors

_WINDOW_BATCHES = {"text": 32, "image": 2}  # model batches that are cut out of one window
_WINDOW_BYTES = 64 << 20
NULL = "null"  # the fault of an item that is none


class Embedded(NamedTuple):
    """Rows, their unit vectors (n, dimension), and the reason of each that has none, else null."""

    rows: pa.Table
    vectors: Vectors
    faults: pa.StringArray


class _Window(NamedTuple):
    rows: pa.Table
    fresh: list[str | bytes]
    is_carried: bool  # its first item is the last of the window before


def embedded_by(
    spec: ModelSpec, modality: Modality, batches: Batches, item: str
) -> Iterator[Embedded]:
    """`embedded` with a model, which is loaded at a worker's first call."""
    window_rows = _WINDOW_BATCHES[modality] * spec.batch_size
    yield from embedded(batches, item, encoder_of_task(spec, modality), window_rows)


def embedded(batches: Batches, item: str, encoder: Encoder, window_rows: int) -> Iterator[Embedded]:
    """Embed the column `item`, texts or images, of the batches of a task.

    Equal items are embedded once where they stand together, also across windows. The host prepares
    a window while the device works on the one before.
    """
    last: tuple[Vectors, str | None] | None = None
    windows = _distinct(windows_of(batches, item, window_rows), item)
    for window, prepared in one_ahead(windows, lambda window: _prepared(encoder, window.fresh)):
        vectors, told = encode(encoder, prepared)
        faults = [told.get(k) for k in range(len(window.fresh))]
        if window.is_carried and last is not None:
            vectors, faults = np.concatenate([last[0], vectors]), [last[1], *faults]
        if faults:
            last = (vectors[-1:], faults[-1])
        yield _of_rows(window.rows, item, vectors, faults)


def _prepared(encoder: Encoder, items: list[str | bytes]) -> Prepared:
    """The items ready for the device; without items, which no tokeniser need take, nothing."""
    return encoder.prepare(items) if items else Prepared(0, ())


def windows_of(batches: Batches, item: str, n_rows: int) -> Iterator[pa.Table]:
    """The batches cut and put together to tables of n_rows, fewer where they exceed 64 MB."""
    parts: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            part = batch.slice(start, n_rows - rows)
            parts.append(part)
            start += part.num_rows
            rows += part.num_rows
            size += part.column(item).nbytes
            if rows == n_rows or size >= _WINDOW_BYTES:
                yield pa.Table.from_batches(parts)
                parts, rows, size = [], 0, 0
    if parts:
        yield pa.Table.from_batches(parts)


def _distinct(windows: Iterator[pa.Table], item: str) -> Iterator[_Window]:
    last = None
    for window in windows:
        distinct = pc.unique(window[item]).drop_null().to_pylist()
        is_carried = bool(distinct) and distinct[0] == last
        yield _Window(window, distinct[1:] if is_carried else distinct, is_carried)
        last = distinct[-1] if distinct else last


def _of_rows(rows: pa.Table, item: str, vectors: Vectors, faults: list[str | None]) -> Embedded:
    """The rows with the vectors of their items, which are those of `pc.unique`, in its order."""
    items = rows[item].combine_chunks()
    position = pc.index_in(items, value_set=pc.unique(items).drop_null())
    reasons = pa.array([*faults, NULL], pa.string())
    of_row = pc.fill_null(position, len(faults))
    padded = np.concatenate([vectors, np.zeros((1, vectors.shape[1]), np.float32)])
    return Embedded(rows, padded[of_row.to_numpy()], reasons.take(of_row))
