"""What is summed over captions, and the measures of whole sets and bootstrap replicates of it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.captioning.ngrams import ORDERS
from udfs.captioning.similarity import bleu

CLIP_FACTOR = 2.5  # w of CLIPScore

# Columns of the statistics of a caption; a score that it has not is 0, and so is its number.
CAPTIONS, EMPTY, WORDS = range(3)
REFERRED, REFERENCE_LENGTH, CIDER = range(3, 6)
MATCHES, GUESSES = slice(6, 10), slice(10, 14)
SCORED, COSINE, CLIP_S = range(14, 17)
COMPARED, TEXT_COSINE, REFERRED_CLIP, REF_CLIP_S = range(17, 21)
WIDTH = 21


class Interval(NamedTuple):
    """A measure of a set: its value, the bounds of its interval or None, the captions it is of."""

    measure: str
    value: float
    low: float | None
    high: float | None
    n: int


def columns_in_use(*, references: bool, image_cosines: bool, text_cosines: bool) -> list[int]:
    """The statistics that are not 0 in all captions."""
    used = [CAPTIONS, EMPTY, WORDS]
    used += range(REFERRED, SCORED) if references else []
    used += range(SCORED, COMPARED) if image_cosines else []
    used += [COMPARED, TEXT_COSINE] if text_cosines else []
    used += [REFERRED_CLIP, REF_CLIP_S] if image_cosines and text_cosines else []
    return used


def intervals(sums: NDArray[np.float64]) -> list[Interval]:
    """The measures of a set by its sums, (1 + n_replicates, WIDTH); bounds are percentiles.

    A set without captions has none.
    """
    if not sums[0, CAPTIONS]:
        return []
    n = int(sums[0, CAPTIONS])
    rows = [
        Interval("empty_captions", sums[0, EMPTY], None, None, n),
        Interval("words", sums[0, WORDS], None, None, n),
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        rows.append(_interval("mean_words", sums[:, WORDS] / sums[:, CAPTIONS], sums, CAPTIONS))
        if sums[0, REFERRED]:
            scores = bleu(sums[:, MATCHES], sums[:, GUESSES], sums[:, REFERENCE_LENGTH])
            scores[sums[:, REFERRED] == 0] = np.nan  # not the 0 of captions that match nothing
            rows += [
                _interval(f"bleu_{n + 1}", scores[:, n], sums, REFERRED) for n in range(ORDERS)
            ]
            rows.append(_interval("cider", sums[:, CIDER] / sums[:, REFERRED], sums, REFERRED))
        for name, total, count in (
            ("cosine_image", COSINE, SCORED),
            ("clip_s", CLIP_S, SCORED),
            ("cosine_text", TEXT_COSINE, COMPARED),
            ("ref_clip_s", REF_CLIP_S, REFERRED_CLIP),
        ):
            if sums[0, count]:
                rows.append(_interval(name, sums[:, total] / sums[:, count], sums, count))
    return rows


def _interval(
    name: str, values: NDArray[np.float64], sums: NDArray[np.float64], count: int
) -> Interval:
    replicates = values[1:][np.isfinite(values[1:])]  # one that drew no caption has no value
    low, high = np.percentile(replicates, [2.5, 97.5]) if replicates.size else (None, None)
    return Interval(name, float(values[0]), low, high, int(sums[0, count]))


def ref_clip_s(
    clip_s: NDArray[np.float64], text_cosine: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Harmonic mean of CLIP-S and the largest cosine to a reference, or 0 (CLIPScore's paper)."""
    text = np.maximum(text_cosine, 0.0)
    total = clip_s + text
    return np.where(total > 0, 2.0 * clip_s * text / np.where(total > 0, total, 1.0), 0.0)


def as_blobs(numbers: NDArray[np.float64] | NDArray[np.int64]) -> pa.Array:
    """The rows of a matrix of 8 bytes each as bytes, a blob a row."""
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * (8 * numbers.shape[1])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(numbers))]
    return pa.Array.from_buffers(pa.binary(), len(numbers), buffers)


def from_blobs(blobs: pa.Array | Sequence[bytes], width: int) -> NDArray[np.float64]:
    """The matrix whose rows are these blobs, (n, width)."""
    parts = [blob.as_buffer() if isinstance(blob, pa.Scalar) else blob for blob in blobs]
    return np.frombuffer(b"".join(parts), np.float64).reshape(-1, width)
