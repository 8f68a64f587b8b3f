"""Caption a task's images window by window, decoding the next while the device writes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from udfs.arrow import Batches, BatchFunction
from udfs.captioning.caption_model import CaptionModel
from udfs.captioning.captioner import Captioner, captioner_of_task
from udfs.captioning.decoding import Decoding
from udfs.images.decoding import Image
from udfs.models.embedding import NULL, cut_windows
from udfs.models.encoder import prepare_ahead
from udfs.models.pixels import decode_images

UID, ITEM, ITEM_HASH, INPUT_FAULT = "uid", "_item", "item_hash", "_input_fault"
# A row per caption; an image without one has a row whose caption_id is 0, with its fault.
COLUMNS = pa.schema(
    [
        (UID, pa.string()),
        ("caption_id", pa.int32()),
        ("caption", pa.string()),
        (ITEM_HASH, pa.int64()),
        ("fault", pa.string()),
    ]
)
_WINDOW_BATCHES = 2


@dataclass(frozen=True)
class Captioning:
    """A model, how it writes, and the images that are decoded at once."""

    model: CaptionModel
    decoding: Decoding
    batch_size: int

    def label(self) -> str:
        """JSON of all that changes captions beside the model's weights."""
        return self.decoding.label(precision=self.model.precision)


class _Decoded(NamedTuple):
    """Images of a window. `positions`: of those that have pixels; `faults`: of the others."""

    pixels: Any
    positions: Sequence[int]
    faults: dict[int, str]


def caption_images(work: Captioning) -> BatchFunction:
    """The mapInArrow function from rows of uid, _item, item_hash (_input_fault) to COLUMNS."""

    def caption(batches: Batches) -> Iterator[pa.RecordBatch]:
        captioner = captioner_of_task(work.model)
        captioner.refuse_longer(work.decoding)
        windows = cut_windows(batches, ITEM, _WINDOW_BATCHES * work.batch_size)
        decoded_ahead = prepare_ahead(windows, lambda rows: _decode(rows, captioner), n_at_once=2)
        for window, decoded in decoded_ahead:
            yield _rows(window, decoded, captioner, work)

    return caption


def _decode(window: pa.Table, captioner: Captioner) -> _Decoded:
    items: list[Image | None] = window[ITEM].to_pylist()
    present = [position for position, item in enumerate(items) if item is not None]
    pixels, failed = decode_images(
        [item for item in items if item is not None],
        captioner.preprocessing,
        is_pinned=captioner.device != "cpu",
    )
    faults = {position: NULL for position, item in enumerate(items) if item is None}
    faults |= {present[k]: reason for k, reason in failed.items()}
    if failed:
        pixels = pixels[[k for k in range(len(present)) if k not in failed]]
    return _Decoded(pixels, [p for p in present if p not in faults], faults)


def _rows(
    window: pa.Table, decoded: _Decoded, captioner: Captioner, work: Captioning
) -> pa.RecordBatch:
    uids = window[UID].to_pylist()
    captions: dict[int, list[str]] = {}
    for start in range(0, len(decoded.positions), work.batch_size):
        positions = decoded.positions[start : start + work.batch_size]
        written = captioner.captions(
            decoded.pixels[start : start + len(positions)],
            [uids[position] for position in positions],
            work.decoding,
        )
        captions |= dict(zip(positions, written, strict=True))
    faults = decoded.faults
    if INPUT_FAULT in window.column_names:  # that of an image that could not be read
        faults = faults | {k: f for k, f in enumerate(window[INPUT_FAULT].to_pylist()) if f}
    hashes = window[ITEM_HASH].to_pylist()
    rows = [
        (uid, number, caption, hashes[position], faults.get(position))
        for position, uid in enumerate(uids)
        for number, caption in enumerate(captions.get(position, [None]))
    ]
    columns = zip(*rows, strict=True) if rows else ([] for _ in COLUMNS)
    arrays = [pa.array(c, field.type) for c, field in zip(columns, COLUMNS, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, COLUMNS.names)
