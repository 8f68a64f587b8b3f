"""Embed a task's rows window by window, each distinct item (text or image) once."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import Batches
from udfs.models.encoder import Encoder, Prepared, encode, prepare_ahead
from udfs.models.loading import Modality, encoder_of_task
from udfs.models.spec import ModelSpec
from udfs.vectors import Vectors

_WINDOW_BATCHES = {"text": 32, "image": 2}  # model batches per window
_WINDOW_BYTES = 64 << 20
NULL = "null"  # fault of a row whose item is null


class EmbeddedRows(NamedTuple):
    """Rows, their unit vectors (n, dimension), and why a row has none, else null."""

    rows: pa.Table
    vectors: Vectors
    faults: pa.StringArray


class _Window(NamedTuple):
    """Rows and the distinct items to embed for them, in order of first occurrence.

    `starts_with_last`: its first item is the last one of the window before, whose vector is reused;
    `new_items` leaves it out.
    """

    rows: pa.Table
    new_items: list[str | bytes]
    starts_with_last: bool


def embed_with_model(
    spec: ModelSpec, modality: Modality, batches: Batches, item: str
) -> Iterator[EmbeddedRows]:
    """`embed_windows` with a model, which is loaded at a worker's first call."""
    window_rows = _WINDOW_BATCHES[modality] * spec.batch_size
    yield from embed_windows(batches, item, encoder_of_task(spec, modality), window_rows)


def embed_windows(
    batches: Batches, item: str, encoder: Encoder, window_rows: int
) -> Iterator[EmbeddedRows]:
    """Embed the column `item`, texts or images, of a task's batches, in windows of `window_rows`.

    An item is embedded once per window, and not again if the next window starts with it: batches
    sorted by item have each embedded once. The host prepares a window while the device embeds the
    one before.
    """
    last: tuple[Vectors, str | None] | None = None
    windows = _with_new_items(cut_windows(batches, item, window_rows), item)
    for window, prepared in prepare_ahead(
        windows, lambda window: _prepare(encoder, window.new_items)
    ):
        vectors, faults_by_position = encode(encoder, prepared)
        faults = [faults_by_position.get(k) for k in range(len(window.new_items))]
        if window.starts_with_last and last is not None:
            vectors, faults = np.concatenate([last[0], vectors]), [last[1], *faults]
        if faults:
            last = (vectors[-1:], faults[-1])
        yield _assign_to_rows(window.rows, item, vectors, faults)


def _prepare(encoder: Encoder, items: list[str | bytes]) -> Prepared:
    """Prepare items for the device; an empty list bypasses the tokeniser, which may refuse it."""
    return encoder.prepare(items) if items else Prepared(0, ())


def cut_windows(batches: Batches, item: str, n_rows: int) -> Iterator[pa.Table]:
    """Cut and join batches to tables of n_rows, of fewer once a table's items reach 64 MB."""
    parts: list[pa.RecordBatch] = []
    n_collected = n_bytes = 0
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            part = batch.slice(start, n_rows - n_collected)
            parts.append(part)
            start += part.num_rows
            n_collected += part.num_rows
            n_bytes += part.column(item).nbytes
            if n_collected == n_rows or n_bytes >= _WINDOW_BYTES:
                yield pa.Table.from_batches(parts)
                parts, n_collected, n_bytes = [], 0, 0
    if parts:
        yield pa.Table.from_batches(parts)


def _with_new_items(windows: Iterator[pa.Table], item: str) -> Iterator[_Window]:
    """Each window with its distinct items that are not null."""
    last = None
    for window in windows:
        distinct = pc.unique(window[item]).drop_null().to_pylist()
        starts_with_last = bool(distinct) and distinct[0] == last
        new_items = distinct[1:] if starts_with_last else distinct
        yield _Window(window, new_items, starts_with_last)
        last = distinct[-1] if distinct else last


def _assign_to_rows(
    rows: pa.Table, item: str, vectors: Vectors, faults: list[str | None]
) -> EmbeddedRows:
    """Give each row its item's vector and fault.

    vectors, faults: of the distinct items, in the order of `pc.unique`. Null items get zeros, NULL.
    """
    items = rows[item].combine_chunks()
    position = pc.index_in(items, value_set=pc.unique(items).drop_null())
    reasons = pa.array([*faults, NULL], pa.string())
    row_position = pc.fill_null(position, len(faults))
    padded = np.concatenate([vectors, np.zeros((1, vectors.shape[1]), np.float32)])
    return EmbeddedRows(rows, padded[row_position.to_numpy()], reasons.take(row_position))
