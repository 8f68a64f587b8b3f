"""Sums over the captions of sets, of all and of those that each bootstrap replicate drew.

Sums leave a task as rows of a set and a block of replicates, which stay short however many
replicates there are. Where there are too many sets for the sums of all in each task, the statistics
of captions are brought together by set first.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction
from udfs.captioning import statistics as st
from udfs.captioning.draw_bits import draw_bits, poisson_weight
from udfs.captioning.packed_ngrams import DRAW
from udfs.captioning.runs import runs
from udfs.compiled import compiled

SET, BLOCK, SUMS, STATISTICS = "set", "block", "sums", "statistics"
IMAGE_BIN, TEXT_BIN = "image_bin", "text_bin"
BINS = 101  # of a histogram: numbers from -50 to 50
MOST_BYTES = 32 << 20  # of the sums that a task holds
MOST_REPLICATES = 5_000_000  # of all sets together
_BLOCK_REPLICATES = 32  # rows of at most 5 KB, of which Spark may put 10,000 into a batch
_HISTOGRAMS = -1  # in place of a block
_WEIGHTS_AT_ONCE = 1 << 18
_SUMS_SCHEMA = pa.schema([(SET, pa.int32()), (BLOCK, pa.int32()), (SUMS, pa.binary())])


def bytes_of_sums(n_sets: int, n_replicates: int, n_columns: int) -> int:
    """The bytes of the sums of sets."""
    return 8 * n_sets * (1 + n_replicates) * n_columns


class SetSums:
    """Sums of statistics by set, (1 + n_replicates, n_columns) each."""

    def __init__(self, n_replicates: int, n_columns: int) -> None:
        self._shape = (1 + n_replicates, n_columns)
        self._sums: dict[int, NDArray[np.float64]] = {}
        self._histograms: dict[int, NDArray[np.int64]] = {}

    def add(
        self,
        sets: Sequence[NDArray[np.int32]],
        draws: NDArray[np.float64],
        statistics: NDArray[np.float64],
    ) -> None:
        """Add captions, each in as many sets as there are in `sets`, (n,) each; below 0: in none.

        draws: (n,). statistics: (n, n_columns).
        """
        order = np.argsort(sets[-1], kind="stable")  # few sets in each block
        sets = [numbers[order] for numbers in sets]
        bits, statistics = draw_bits(draws[order]), statistics[order]
        n_at_once = max(16, _WEIGHTS_AT_ONCE // self._shape[0])
        for start in range(0, bits.size, n_at_once):
            rows = slice(start, start + n_at_once)
            weights = _weights(bits[rows], self._shape[0])
            for numbers in sets:
                self._add_block(numbers[rows], weights, statistics[rows])

    def _add_block(
        self,
        numbers: NDArray[np.int32],
        weights: NDArray[np.float64],
        statistics: NDArray[np.float64],
    ) -> None:
        order = np.argsort(numbers, kind="stable")
        ordered = numbers[order]
        for start, end in runs(ordered):
            number = int(ordered[start])
            if number < 0:
                continue
            if end - start == numbers.size:
                sums = weights.T @ statistics
            else:
                rows = order[start:end]
                sums = weights[rows].T @ statistics[rows]
            self._sums[number] = self._sums[number] + sums if number in self._sums else sums

    def count_bins(self, numbers: NDArray[np.int32], bins: Sequence[pa.Array]) -> None:
        """Count captions of sets in the bins of histograms; a null is in none."""
        for place, column in enumerate(bins):
            is_there = np.asarray(column.is_valid())
            known = np.asarray(column.filter(pa.array(is_there))).astype(np.int64)
            # A cosine may lie a hair outside of -1 and 1.
            of_bin = np.clip(known, -(BINS // 2), BINS // 2) + BINS // 2
            of_set = numbers[is_there]
            for number in np.unique(of_set[of_set >= 0]).tolist():
                counts = self._histograms.setdefault(number, np.zeros((len(bins), BINS), np.int64))
                counts[place] += np.bincount(of_bin[of_set == number], minlength=BINS)

    def rows(self) -> Iterator[pa.RecordBatch]:
        """The sums as rows of set, block and bytes; empties them."""
        for number, histograms in self._histograms.items():
            yield _sums_batch(number, [_HISTOGRAMS], [histograms.tobytes()])
        for number, sums in self._sums.items():
            starts = range(0, len(sums), _BLOCK_REPLICATES)
            blobs = [sums[start : start + _BLOCK_REPLICATES].tobytes() for start in starts]
            yield _sums_batch(number, [*range(len(blobs))], blobs)
        self._sums.clear()
        self._histograms.clear()


def _sums_batch(number: int, blocks: list[int], blobs: list[bytes]) -> pa.RecordBatch:
    columns = [pa.array([number] * len(blocks), pa.int32()), pa.array(blocks, pa.int32())]
    columns.append(pa.array(blobs, pa.binary()))
    return pa.RecordBatch.from_arrays(columns, schema=_SUMS_SCHEMA)


@compiled
def _weights(bits, n_columns):
    """(n, n_columns): 1, and how often each replicate draws the caption."""
    weights = np.empty((bits.size, n_columns))
    for row in range(bits.size):
        weights[row, 0] = 1.0
        for replicate in range(n_columns - 1):
            weights[row, replicate + 1] = poisson_weight(bits[row], replicate)
    return weights


def summed_by_set(n_replicates: int, n_columns: int) -> BatchFunction:
    """For mapInArrow: columns set, draw and statistics, sorted by set -> sums as rows."""

    def sum_statistics(batches: Batches) -> Iterator[pa.RecordBatch]:
        sums, current = SetSums(n_replicates, n_columns), -1
        for batch in batches:
            numbers = np.asarray(batch.column(SET))
            draws = batch.column(DRAW).to_numpy()
            statistics = st.from_blobs(batch.column(STATISTICS), n_columns)
            for start, end in runs(numbers):
                if numbers[start] != current:
                    yield from sums.rows()
                    current = int(numbers[start])
                rows = slice(start, end)
                sums.add([numbers[rows]], draws[rows], statistics[rows])
        yield from sums.rows()

    return sum_statistics


def measured(
    used: Sequence[int], histograms: Sequence[str], bin_width: float, schema: pa.Schema
) -> BatchFunction:
    """For mapInArrow: sums as rows, sorted by set -> the set's measures with 95 % intervals.

    `used`: which statistics the columns of the sums are. `histograms`: the measures that these are.
    """

    def measure(batches: Batches) -> Iterator[pa.RecordBatch]:
        current: int | None = None
        sums: dict[int, NDArray[np.float64]] = {}
        for batch in batches:
            for number, block, blob in zip(*(c.to_pylist() for c in batch.columns), strict=True):
                if number != current:
                    if current is not None:
                        yield _measures(current, sums, used, histograms, bin_width, schema)
                    current, sums = number, {}
                kind = np.int64 if block == _HISTOGRAMS else np.float64
                numbers = np.frombuffer(blob, kind).astype(np.float64)
                sums[block] = sums[block] + numbers if block in sums else numbers
        if current is not None:
            yield _measures(current, sums, used, histograms, bin_width, schema)

    return measure


def _measures(
    number: int,
    by_block: dict[int, NDArray[np.float64]],
    used: Sequence[int],
    histograms: Sequence[str],
    bin_width: float,
    schema: pa.Schema,
) -> pa.RecordBatch:
    rows: list[tuple[int, str, float | None, float, float | None, float | None, int]] = []
    if _HISTOGRAMS in by_block:
        counts = by_block.pop(_HISTOGRAMS).reshape(-1, BINS)
        for name, bins in zip(histograms, counts, strict=True):
            for k in np.flatnonzero(bins).tolist():
                at = round((k - BINS // 2) * bin_width, 2)
                rows.append((number, name, at, float(bins[k]), None, None, int(bins[k])))
    if by_block:
        of_used = np.concatenate([by_block[block] for block in sorted(by_block)])
        sums = np.zeros((of_used.size // len(used), st.WIDTH))
        sums[:, used] = of_used.reshape(-1, len(used))
        for measure, value, low, high, n in st.intervals(sums):
            rows.append((number, measure, None, value, low, high, n))
    columns = [pa.array([row[k] for row in rows], field.type) for k, field in enumerate(schema)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
