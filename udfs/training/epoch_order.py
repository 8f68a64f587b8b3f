"""Who reads which rows of an epoch: ranks, lanes and windows, from the row groups' sizes alone.

The row groups of a snapshot, shuffled, are one long line of rows. Each rank has an equal stretch of
it, which may begin and end inside a row group. A rank's stretch is divided into lanes, and its
batches come from the lanes in turn, so that a batch has its place and its rows whatever the number
of workers: each of W makes every W-th batch, and where W divides the number of lanes, no two
workers read the same rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from udfs.training.permutations import permutation
from udfs.training.snapshot import RowGroups

_ORDER, _WINDOW = 1, 2  # keys of draws: row groups, rows of a window


class Segment(NamedTuple):
    """Rows start to stop of a row group, which is given by its number in the snapshot."""

    row_group: int
    start: int
    stop: int


@dataclass(frozen=True)
class Window:
    """Rows that are read and shuffled together.

    `start`: place of the first in its lane; `place`: in the line of all rows.
    """

    start: int
    place: int
    rows: int
    segments: list[Segment]

    @property
    def stop(self) -> int:
        """The place behind the last row in the lane."""
        return self.start + self.rows


@dataclass(frozen=True)
class Reading:
    """How rows are read; `drop_last`: equally many whole batches for every rank."""

    seed: int
    shuffle: bool
    rank: int
    world_size: int
    batch_size: int
    lanes: int
    window_rows: int
    drop_last: bool


_MOST_WINDOW_BYTES = 64 << 20


@dataclass(frozen=True)
class RankEpoch:
    """The rows of a rank in an epoch, which begin at `start` of the line of all rows."""

    groups: RowGroups
    reading: Reading
    epoch: int
    start: int
    rows: int
    order: NDArray[np.int64]  # numbers of row groups, (n,)
    ends: NDArray[np.int64]  # place behind the last row of each, in that order

    @property
    def n_batches(self) -> int:
        """The number of batches."""
        return -(-self.rows // self.reading.batch_size)

    def batch_rows(self, batch: int) -> int:
        """The rows of a batch: all but the last have batch_size."""
        size = self.reading.batch_size
        return min(size, self.rows - batch * size)

    def lane_start(self, lane: int) -> int:
        """Where the rows of a lane begin in those of the rank; of lane n_lanes, the end of all."""
        size, lanes = self.reading.batch_size, self.reading.lanes
        before = sum(_batches_of_lane(self.n_batches, lanes, number) for number in range(lane))
        is_short = self.n_batches and (self.n_batches - 1) % lanes < lane
        return before * size - (self.n_batches * size - self.rows if is_short else 0)

    def windows(self, lane: int) -> Iterator[Window]:
        """The windows of a lane in order, which cover each of its rows once."""
        start, stop = self.lane_start(lane), self.lane_start(lane + 1)
        segments: list[Segment] = []
        place, rows, n_bytes = 0, 0, 0.0
        for segment in self._segments(self.start + start, self.start + stop):
            segments.append(segment)
            rows += segment.stop - segment.start
            n_bytes += self._bytes_of(segment)
            if rows >= self.reading.window_rows or n_bytes >= _MOST_WINDOW_BYTES:
                yield Window(place, self.start + start + place, rows, segments)
                place += rows
                segments, rows, n_bytes = [], 0, 0.0
        if segments:
            yield Window(place, self.start + start + place, rows, segments)

    def order_of(self, window: Window) -> NDArray[np.int64]:
        """The order in which the rows of a window come, shape (rows,)."""
        if not self.reading.shuffle:
            return np.arange(window.rows)
        # No other window of the epoch begins at its place.
        return permutation(window.rows, self.reading.seed, self.epoch, _WINDOW, window.place)

    def _bytes_of(self, segment: Segment) -> float:
        group = segment.row_group
        share = (segment.stop - segment.start) / max(int(self.groups.rows[group]), 1)
        return float(self.groups.bytes[group]) * share

    def _segments(self, start: int, stop: int) -> Iterator[Segment]:
        """The parts of row groups from one place of the line of all rows to another."""
        position = int(np.searchsorted(self.ends, start, side="right"))
        while start < stop:
            group = int(self.order[position])
            end = int(self.ends[position])
            first = end - int(self.groups.rows[group])
            if end > start:
                yield Segment(group, start - first, min(stop, end) - first)
                start = min(stop, end)
            position += 1


def rank_epoch(groups: RowGroups, reading: Reading, epoch: int) -> RankEpoch:
    """The rows of a rank in an epoch."""
    n = len(groups.rows)
    order = permutation(n, reading.seed, epoch, _ORDER) if reading.shuffle else np.arange(n)
    total = int(groups.rows.sum())
    start = reading.rank * total // reading.world_size
    rows = (reading.rank + 1) * total // reading.world_size - start
    if reading.drop_last:
        rows = total // reading.world_size // reading.batch_size * reading.batch_size
    return RankEpoch(groups, reading, epoch, start, rows, order, np.cumsum(groups.rows[order]))


def _batches_of_lane(n_batches: int, lanes: int, lane: int) -> int:
    return max(0, -(-(n_batches - lane) // lanes))
