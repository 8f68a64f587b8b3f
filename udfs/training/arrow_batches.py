"""Batches of a snapshot's rows by Arrow: sharded, shuffled, and able to begin anywhere."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from udfs.arrow import one_batch
from udfs.training.batches import Batches, check_ranks, require_whole_number
from udfs.training.epoch_order import RankEpoch, Reading, Segment, Window, rank_epoch
from udfs.training.faults import SnapshotError
from udfs.training.snapshot import Snapshot

Transform = Callable[[pa.RecordBatch], Any]


class ArrowBatches(Batches):
    """The rows of a snapshot as `pyarrow.RecordBatch`es of `batch_size` rows; see `Loader`.

    Ranks share the rows evenly, to one row. The batches of a rank, and their order, depend on
    snapshot, seed, epoch and these arguments alone, not on the number of workers. A row group is
    decoded by each lane, of any rank, that has rows of it, and by each worker of that lane: by one
    where workers divide `lanes`. Rows are shuffled within windows of `window_rows` rows, or 64 MB,
    of the rank's row groups, which are shuffled themselves; a process holds a window for each of
    its lanes. Without `shuffle` they come in the order of the files. `drop_last`: each rank has
    equally many batches, all whole; with many row groups the rows left over differ from epoch to
    epoch. `transform` gets each batch in the worker that reads it, and what it returns takes its
    place.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        columns: list[str] | None = None,
        batch_size: int = 1024,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        world_size: int = 1,
        lanes: int = 8,
        window_rows: int = 65_536,
        drop_last: bool = False,
        transform: Transform | None = None,
    ) -> None:
        check_ranks(rank, world_size)
        for name, value in (
            *(("batch_size", batch_size), ("lanes", lanes), ("window_rows", window_rows)),
        ):
            require_whole_number(name, value, least=1)
        require_whole_number("seed", seed, least=0)
        self.snapshot, self.columns = snapshot, snapshot.chosen_columns(columns)
        # In the order of the files there is one lane.
        self._reading = Reading(
            *(seed, shuffle, rank, world_size, batch_size, lanes if shuffle else 1, window_rows),
            drop_last,
        )
        self._transform = transform

    def identity(self, n_workers: int) -> dict[str, Any]:
        """What a state must share with the batches that go on from it."""
        return {"reader": "arrow", "snapshot": self.snapshot.manifest.digest, **vars(self._reading)}

    def n_batches(self, epoch: int, n_workers: int = 1) -> int:
        """The batches of this rank in an epoch, of all workers together."""
        return rank_epoch(self.snapshot.row_groups, self._reading, epoch).n_batches

    def of_worker(
        self, epoch: int, *, worker: int = 0, n_workers: int = 1, start: int = 0
    ) -> Iterator[Any]:
        """Every n_workers-th batch of an epoch, from start + worker on."""
        plan = rank_epoch(self.snapshot.row_groups, self._reading, epoch)
        reader = _RowGroupReader(self.snapshot, self.columns)
        lanes: dict[int, _Lane] = {}
        for batch in range(start + worker, plan.n_batches, n_workers):
            lane = batch % self._reading.lanes
            if lane not in lanes:
                lanes[lane] = _Lane(plan, lane, reader)
            rows = lanes[lane].batch(batch // self._reading.lanes, plan.batch_rows(batch))
            yield rows if self._transform is None else self._transform(rows)


class _Lane:
    """The rows of a lane, read window by window; batches are asked for in ascending order."""

    def __init__(self, plan: RankEpoch, lane: int, reader: "_RowGroupReader") -> None:
        self._plan, self._windows, self._reader = plan, plan.windows(lane), reader
        self._batch_size = plan.reading.batch_size
        self._window: Window | None = None
        self._read: tuple[pa.RecordBatch, NDArray[np.int64]] | None = None  # rows, their order

    def batch(self, number: int, n_rows: int) -> pa.RecordBatch:
        place, stop = number * self._batch_size, number * self._batch_size + n_rows
        parts = []
        while place < stop:
            window = self._window_of(place)
            end = min(stop, window.stop)
            parts.append(self._rows_of(window, place - window.start, end - window.start))
            place = end
        return one_batch(parts)

    def _window_of(self, place: int) -> Window:
        """The window with a row; those before it, which other workers read, are passed over."""
        while self._window is None or place >= self._window.stop:
            self._window, self._read = next(self._windows), None
        return self._window

    def _rows_of(self, window: Window, start: int, stop: int) -> pa.RecordBatch:
        if self._read is None:
            self._read = self._reader.read(window.segments), self._plan.order_of(window)
        rows, order = self._read
        # A slice would go to another process with all of the window.
        return rows.take(pa.array(order[start:stop]))


class _RowGroupReader:
    """Reads parts of row groups; the file that was read last stays open."""

    def __init__(self, snapshot: Snapshot, columns: list[str]) -> None:
        self._snapshot, self._columns = snapshot, columns
        self._open: tuple[int, pq.ParquetFile] | None = None

    def read(self, segments: list[Segment]) -> pa.RecordBatch:
        tables = [self._part(segment) for segment in segments]
        rows = pa.concat_tables(tables).combine_chunks()
        return rows.to_batches()[0]

    def _part(self, segment: Segment) -> pa.Table:
        groups = self._snapshot.row_groups
        file = self._snapshot.manifest.files[int(groups.file[segment.row_group])]
        if self._open is None or self._open[0] != groups.file[segment.row_group]:
            self._close()
            self._open = int(groups.file[segment.row_group]), self._snapshot.open(file)
        number = int(groups.number[segment.row_group])
        try:
            table = self._open[1].read_row_group(number, self._columns, use_threads=False)
        except (OSError, ValueError) as fault:
            raise SnapshotError(
                f"{file.name}: row group {number} cannot be read ({' '.join(str(fault).split())})"
            ) from None
        if table.num_rows != file.row_groups[number]:
            raise SnapshotError(
                f"{file.name}: row group {number} has {table.num_rows:,} rows, expected "
                f"{file.row_groups[number]:,}; make the snapshot again (export-snapshot)"
            )
        return table.slice(segment.start, segment.stop - segment.start)

    def _close(self) -> None:
        if self._open is not None:
            self._open[1].close()
