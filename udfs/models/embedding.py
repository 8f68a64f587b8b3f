"""Embed a task's rows window by window, each distinct item (text or image) once."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import Batches
from udfs.models.encoder import Encoder, Prepared, launch, prepare_ahead
from udfs.models.loading import Modality, encoder_of_task
from udfs.models.spec import ModelSpec
from udfs.vectors import Vectors

T = TypeVar("T")

# Model batches per window. A GPU takes more texts at once, by tokens, and wants to be filled.
_WINDOW_BATCHES = {("text", "cpu"): 32, ("text", "cuda"): 128}
_IMAGE_WINDOW_BATCHES = 2
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
    `new_items` leaves it out. `positions`: of each row's item among the distinct ones, (n_rows,);
    null where the item is.
    """

    rows: pa.Table
    positions: pa.Int32Array
    new_items: list[str | bytes]
    starts_with_last: bool


def embed_with_model(
    spec: ModelSpec, modality: Modality, batches: Batches, item: str
) -> Iterator[EmbeddedRows]:
    """`embed_windows` with a model, which is loaded at a worker's first call."""
    encoder = encoder_of_task(spec, modality)
    device_kind = encoder.device.partition(":")[0]
    n_batches = _WINDOW_BATCHES.get((modality, device_kind), _IMAGE_WINDOW_BATCHES)
    n_at_once = 2 if modality == "image" else 1  # tokenisers do not allow for two threads
    window_rows = n_batches * spec.batch_size
    yield from embed_windows(batches, item, encoder, window_rows, n_at_once=n_at_once)


def embed_windows(
    batches: Batches, item: str, encoder: Encoder, window_rows: int, *, n_at_once: int = 1
) -> Iterator[EmbeddedRows]:
    """Embed the column `item`, texts or images, of a task's batches, in windows of `window_rows`.

    An item is embedded once per window, and not again if the next window starts with it: batches
    sorted by item have each embedded once. The host prepares further windows, `n_at_once` of them,
    while the device embeds one, and the device has the next one before the vectors of the last are
    handed on.
    """
    last: tuple[Vectors, str | None] | None = None
    for window, result in _one_behind(_launched(batches, item, encoder, window_rows, n_at_once)):
        vectors, faults_by_position = result()
        faults = [faults_by_position.get(k) for k in range(len(window.new_items))]
        if window.starts_with_last and last is not None:
            vectors, faults = np.concatenate([last[0], vectors]), [last[1], *faults]
        if faults:
            last = (vectors[-1:].copy(), faults[-1])
        yield _assign_to_rows(window, vectors, faults)


def _launched(
    batches: Batches, item: str, encoder: Encoder, window_rows: int, n_at_once: int
) -> Iterator[tuple[_Window, Callable[[], tuple[Vectors, dict[int, str]]]]]:
    """Each window and the function that waits for its vectors and faults."""
    windows = _with_new_items(cut_windows(batches, item, window_rows), item)
    for window, prepared in prepare_ahead(
        windows, lambda window: _prepare(encoder, window.new_items), n_at_once=n_at_once
    ):
        yield window, launch(encoder, prepared)


def _one_behind(values: Iterator[T]) -> Iterator[T]:
    """The values, each once the next one has been made."""
    held: list[T] = []
    for value in values:
        held.append(value)
        if len(held) == 2:
            yield held.pop(0)
    yield from held


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
        encoded = window[item].combine_chunks().dictionary_encode()
        distinct = encoded.dictionary.to_pylist()
        starts_with_last = bool(distinct) and distinct[0] == last
        new_items = distinct[1:] if starts_with_last else distinct
        yield _Window(window, encoded.indices, new_items, starts_with_last)
        last = distinct[-1] if distinct else last


def _assign_to_rows(window: _Window, vectors: Vectors, faults: list[str | None]) -> EmbeddedRows:
    """Give each row its item's vector and fault.

    vectors, faults: of the distinct items, in order. Null items get zeros, NULL.
    """
    n_distinct, n_rows = len(faults), window.rows.num_rows
    if n_distinct == n_rows:  # so they are the rows' items, in order
        return EmbeddedRows(window.rows, vectors, pa.array(faults, pa.string()))
    reasons = pa.array([*faults, NULL], pa.string())
    row_position = pc.fill_null(window.positions, n_distinct)
    padded = np.concatenate([vectors, np.zeros((1, vectors.shape[1]), np.float32)])
    return EmbeddedRows(window.rows, padded[row_position.to_numpy()], reasons.take(row_position))
