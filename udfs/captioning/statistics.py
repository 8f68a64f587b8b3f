"""What is summed over captions, for whole sets and bootstrap replicates, and the measures of it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction
from udfs.captioning.draw_bits import draw_bits, poisson_weight
from udfs.captioning.ngrams import ORDERS
from udfs.captioning.similarity import bleu
from udfs.compiled import compiled

SET, SUMS, STATISTICS = "set", "sums", "statistics"
CLIP_FACTOR = 2.5  # w of CLIPScore

# Columns of the statistics of a caption; a score that it has not is 0, and so is its number.
CAPTIONS, EMPTY, WORDS = range(3)
NGRAMS = slice(3, 3 + ORDERS)
REFERRED, REFERENCE_LENGTH, CIDER = range(7, 10)
MATCHES, GUESSES = slice(10, 14), slice(14, 18)
SCORED, COSINE, CLIP_S = range(18, 21)
COMPARED, TEXT_COSINE, REFERRED_CLIP, REF_CLIP_S = range(21, 25)
WIDTH = 25


class Interval(NamedTuple):
    """A measure of a set: its value, the bounds of its interval or None, the captions it is of."""

    measure: str
    value: float
    low: float | None
    high: float | None
    n: int


def summed(n_replicates: int) -> BatchFunction:
    """For mapInArrow: columns sets, draw and statistics (bytes) -> set and its sums (bytes).

    Sums: (1 + n_replicates, WIDTH), of all captions, and of those that each replicate drew.
    """

    def sum_statistics(batches: Batches) -> Iterator[pa.RecordBatch]:
        sums: dict[int, NDArray[np.float64]] = {}
        for batch in batches:
            sets = batch.column(0)
            offsets = np.asarray(sets.offsets).astype(np.int64)
            numbers = sets.values.to_numpy().astype(np.int64)
            distinct, place = np.unique(numbers, return_inverse=True)
            statistics = np.frombuffer(b"".join(batch.column(2).to_pylist()), np.float64).reshape(
                -1, WIDTH
            )
            bits = draw_bits(batch.column(1).to_numpy(zero_copy_only=False))
            parts = _summed(offsets, place, distinct.size, bits, statistics, n_replicates)
            for number, part in zip(distinct.tolist(), parts, strict=True):
                sums[number] = sums[number] + part if number in sums else part
            if sum(part.nbytes for part in sums.values()) > _MOST_BYTES:
                yield _packed(sums)
        if sums:
            yield _packed(sums)

    return sum_statistics


_MOST_BYTES = 64 << 20


def _packed(sums: dict[int, NDArray[np.float64]]) -> pa.RecordBatch:
    columns = [
        pa.array(list(sums), pa.int32()),
        pa.array([part.tobytes() for part in sums.values()], pa.binary()),
    ]
    sums.clear()
    return pa.RecordBatch.from_arrays(columns, [SET, SUMS])


@compiled
def _summed(offsets, places, n_sets, bits, statistics, n_replicates):
    """Sums, (n_sets, 1 + n_replicates, WIDTH), over the captions of each set."""
    sums = np.zeros((n_sets, 1 + n_replicates, WIDTH))
    drawn = np.empty(n_replicates, np.int64)
    weights = np.empty(n_replicates, np.float64)
    for row in range(bits.size):
        if offsets[row] == offsets[row + 1]:
            continue
        n_drawn = 0
        for replicate in range(n_replicates):
            weight = poisson_weight(bits[row], replicate)
            if weight:
                drawn[n_drawn], weights[n_drawn] = replicate + 1, weight
                n_drawn += 1
        for k in range(offsets[row], offsets[row + 1]):
            place = places[k]
            for column in range(WIDTH):
                sums[place, 0, column] += statistics[row, column]
            for at in range(n_drawn):
                for column in range(WIDTH):
                    sums[place, drawn[at], column] += weights[at] * statistics[row, column]
    return sums


def measured(batches: Batches) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: set and sums, sorted by both -> the set's measures with 95 % intervals."""
    for number, sums in _by_set(batches):
        rows = intervals(sums)
        columns = [
            pa.array([number] * len(rows), pa.int32()),
            pa.array([row.measure for row in rows]),
            *(pa.array([row[k] for row in rows], pa.float64()) for k in (1, 2, 3)),
            pa.array([row.n for row in rows], pa.int64()),
        ]
        yield pa.RecordBatch.from_arrays(columns, [SET, "measure", "value", "low", "high", "n"])


def _by_set(batches: Batches) -> Iterator[tuple[int, NDArray[np.float64]]]:
    number, total = None, np.zeros(0)
    for batch in batches:
        for row in batch.to_pylist():
            sums = np.frombuffer(row[SUMS], np.float64).reshape(-1, WIDTH)
            if row[SET] == number:
                total = total + sums
                continue
            if number is not None:
                yield number, total
            number, total = row[SET], sums
    if number is not None:
        yield number, total


def intervals(sums: NDArray[np.float64]) -> list[Interval]:
    """The measures of a set by its sums, (1 + n_replicates, WIDTH); bounds are percentiles."""
    rows = [
        Interval("captions", sums[0, CAPTIONS], None, None, int(sums[0, CAPTIONS])),
        Interval("empty_captions", sums[0, EMPTY], None, None, int(sums[0, CAPTIONS])),
        Interval("words", sums[0, WORDS], None, None, int(sums[0, CAPTIONS])),
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        rows.append(_interval("mean_words", sums[:, WORDS] / sums[:, CAPTIONS], sums, CAPTIONS))
        if sums[0, REFERRED]:
            scores = bleu(sums[:, MATCHES], sums[:, GUESSES], sums[:, REFERENCE_LENGTH])
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


def of_columns(columns: Sequence[pa.Array]) -> NDArray[np.float64]:
    """Float64 columns as a matrix, (n, n_columns), null as NaN."""
    return np.column_stack([column.to_numpy(zero_copy_only=False) for column in columns])
