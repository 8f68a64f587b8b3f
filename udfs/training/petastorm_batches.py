"""Batches of a snapshot's rows by petastorm's `make_batch_reader`, a row group each.

Petastorm 0.13.1's own default, its pool of threads, ends early at times and drops row groups
without an error, so it is not to be had here; the rows of each pass are counted against the
manifest all the same. What petastorm would change in values without a word is refused.
"""

import keyword
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from udfs.file_systems import plain_path
from udfs.training.batches import Batches, check_ranks, require_whole_number
from udfs.training.faults import SnapshotError
from udfs.training.permutations import draws, permutation
from udfs.training.snapshot import Snapshot

Pool = Literal["dummy", "process"]
_FILES, _READER = 3, 4  # keys of draws


class PetastormBatches(Batches):
    """The rows of a snapshot as dicts of numpy arrays, column -> (rows,); see `Loader`.

    A batch is a row group. Ranks and workers get whole row groups, whose numbers differ by at most
    one, so that their rows may differ by a row group; there must be at least one for each of them.
    With `shuffle` the order of row groups, that of the rows inside them, and who gets which are
    drawn for each epoch. `pool`: petastorm reads in the process itself (dummy) or in another beside
    it (process), one for each worker, so that its order is fixed and a pass can be taken up again:
    what came before is read and dropped.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        columns: list[str] | None = None,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        world_size: int = 1,
        pool: Pool = "dummy",
        transform: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        check_ranks(rank, world_size)
        require_whole_number("seed", seed, least=0)
        if pool not in ("dummy", "process"):
            raise SnapshotError(
                f"pool: {pool!r}, expected dummy or process; petastorm's threads lose row groups"
            )
        if not plain_path(snapshot.location).startswith("/"):
            raise SnapshotError(
                f"{snapshot.location}: petastorm reads paths here; copy it, or take ArrowBatches"
            )
        self.snapshot, self.columns = snapshot, snapshot.chosen_columns(columns)
        self._seed, self._shuffle, self._pool, self._transform = seed, shuffle, pool, transform
        self._rank, self._world_size = rank, world_size
        self._refuse_changed_values()

    def _refuse_changed_values(self) -> None:
        for name in self.columns:
            type_ = self.snapshot.schema.field(name).type
            is_float = pa.types.is_floating(type_)
            nulls = sum(file.nulls.get(name, 0) for file in self.snapshot.manifest.files)
            if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
                raise SnapshotError(
                    f"column {name!r}: petastorm takes names of Python's variables without _ at "
                    "the start; name the other columns, or take ArrowBatches"
                )
            if nulls and not is_float:
                raise SnapshotError(
                    f"column {name!r}: {nulls:,} values are null, which petastorm makes a "
                    "text or a float of; leave the column or these rows out, or take ArrowBatches"
                )
            is_list = pa.types.is_list(type_)
            if pa.types.is_nested(type_.value_type if is_list else type_):
                raise SnapshotError(
                    f"column {name!r} is {type_}, which petastorm leaves out; name the other "
                    "columns, or take ArrowBatches"
                )

    def identity(self, n_workers: int) -> dict[str, Any]:
        """What a state must share with the batches that go on from it."""
        return {
            **{"reader": "petastorm", "snapshot": self.snapshot.manifest.digest},
            **{"seed": self._seed, "shuffle": self._shuffle, "rank": self._rank},
            **{"world_size": self._world_size, "num_workers": n_workers},
        }

    def n_batches(self, epoch: int, n_workers: int = 1) -> int:
        """The row groups of this rank in an epoch, of all workers together."""
        return sum(len(self._rows_of_shard(epoch, w, n_workers)) for w in range(n_workers))

    def n_rows(self, epoch: int) -> int:
        """The rows of this rank in an epoch."""
        return sum(self._rows_of_shard(epoch, 0, 1))

    def of_worker(
        self, epoch: int, *, worker: int = 0, n_workers: int = 1, start: int = 0
    ) -> Iterator[Any]:
        """Every n_workers-th batch of an epoch, from start + worker on."""
        number = (start + worker) % n_workers
        expected = self._rows_of_shard(epoch, number, n_workers)
        n_rows = 0
        for position, batch in enumerate(self._read(epoch, number, n_workers)):
            n_rows += len(batch[self.columns[0]])
            if position * n_workers + number >= start:
                yield batch if self._transform is None else self._transform(batch)
        if n_rows != sum(expected):
            raise SnapshotError(
                f"{self.snapshot.location}: petastorm gave {n_rows:,} rows in epoch {epoch}, "
                f"expected {sum(expected):,}; the snapshot was changed, or petastorm lost rows"
            )

    def _rows_of_shard(self, epoch: int, worker: int, n_workers: int) -> list[int]:
        """Rows of the row groups that petastorm gives to a worker: each n_shards-th of all."""
        files = self.snapshot.manifest.files
        rows = [n for number in self._files(epoch) for n in files[number].row_groups]
        n_shards = self._world_size * n_workers
        if len(rows) < n_shards:
            raise SnapshotError(
                f"{self.snapshot.location}: {len(rows):,} row groups for {n_shards:,} workers of "
                "all ranks; export it with smaller ones (--row-group-rows), or take ArrowBatches"
            )
        return rows[self._shard(worker, n_workers) :: n_shards]

    def _shard(self, worker: int, n_workers: int) -> int:
        return self._rank * n_workers + worker

    def _files(self, epoch: int) -> list[int]:
        """The order of the files in an epoch, which decides who gets which row groups."""
        n = len(self.snapshot.manifest.files)
        return (
            [*map(int, permutation(n, self._seed, epoch, _FILES))] if self._shuffle else [*range(n)]
        )

    def _read(self, epoch: int, worker: int, n_workers: int) -> Iterator[dict[str, Any]]:
        from petastorm import make_batch_reader

        # It says at each file that it uses what pyarrow has deprecated.
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"petastorm\.")
        files = [self.snapshot.manifest.files[number] for number in self._files(epoch)]
        for file in files:
            self.snapshot.open(file).close()
        # Petastorm takes seed 0 for none.
        seed = int(draws(np.array([epoch], np.uint64), self._seed, _READER)[0] >> np.uint64(33)) + 1
        reader = make_batch_reader(
            [_url(self.snapshot.path(file)) for file in files],
            schema_fields=[f"^{re.escape(name)}$" for name in self.columns],
            reader_pool_type=self._pool,
            workers_count=1,
            seed=seed,
            shuffle_rows=self._shuffle,
            shuffle_row_groups=self._shuffle,
            cur_shard=self._shard(worker, n_workers),
            shard_count=self._world_size * n_workers,
            num_epochs=1,
            filesystem=_native_files(),
        )
        try:
            for rows in reader:
                yield {name: getattr(rows, name) for name in self.columns}
        except RuntimeError as fault:
            raise SnapshotError(f"petastorm: {' '.join(str(fault).split())}") from None
        finally:
            reader.stop()
            reader.join()


def _native_files() -> Any:
    """Petastorm's file system for paths, which opens files by Arrow itself, not by Python.

    Arrow's threads drop what they read after the read has ended. Where that is Python's, they need
    Python's lock for it, and a program that ends at that moment aborts, after all its work is done.
    """
    from pyarrow.filesystem import LocalFileSystem

    class NativeFiles(LocalFileSystem):  # type: ignore[misc]
        def open(self, path: str, mode: str = "rb") -> pa.NativeFile:
            return pa.OSFile(path, mode)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=FutureWarning)
        return NativeFiles()


def _url(path: str) -> str:
    plain = plain_path(path)
    if any(sign in plain for sign in "?#;"):
        raise SnapshotError(f"{plain}: petastorm reads no path with ?, # or ;; move the snapshot")
    return f"file://{Path(plain)}"
