"""Captions of a snapshot, as a process of a training reads them, by Arrow or by petastorm."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from udfs.training.arrow_batches import ArrowBatches
from udfs.training.loader import Loader
from udfs.training.petastorm_batches import PetastormBatches
from udfs.training.snapshot import open_snapshot

Reader = Literal["arrow", "petastorm"]
CAPTION = "caption"
_BLOCK_ROWS = 1024


def captions_in_order(location: str) -> Iterator[list[str]]:
    """All captions of a snapshot in the order of its files, in blocks."""
    batches = ArrowBatches(
        open_snapshot(location), columns=[CAPTION], batch_size=_BLOCK_ROWS, shuffle=False
    )
    for batch in Loader(batches):
        yield batch.column(0).to_pylist()


class SnapshotRows:
    """The share of a process; see udfs.simcse.captions.CaptionRows."""

    def __init__(self, location: str, reader: Reader, *, seed: int, rank: int, world_size: int):
        self._snapshot = open_snapshot(location)
        self._reader, self._world_size = reader, world_size
        options: dict[str, Any] = {"columns": [CAPTION], "seed": seed, "world_size": world_size}
        if reader == "arrow":
            batches: Any = ArrowBatches(
                self._snapshot, batch_size=_BLOCK_ROWS, rank=rank, **options
            )
        else:
            batches = PetastormBatches(self._snapshot, rank=rank, **options)
            self._of_ranks = [
                PetastormBatches(self._snapshot, rank=k, **options) for k in range(world_size)
            ]
        self._loader = Loader(batches)

    @property
    def n_rows(self) -> int:
        """See CaptionRows."""
        return self._snapshot.rows

    def most_rows(self, epoch: int) -> int:
        """See CaptionRows: Arrow's shares differ by one row, petastorm's by a row group."""
        if self._reader == "arrow":
            return -(-self.n_rows // self._world_size)
        return max(batches.n_rows(epoch) for batches in self._of_ranks)

    def blocks(self, epoch: int) -> Iterator[Sequence[str]]:
        """See CaptionRows."""
        self._loader.set_epoch(epoch)
        for batch in self._loader:
            if self._reader == "arrow":
                yield batch.column(0).to_pylist()
            else:
                yield [str(caption) for caption in batch[CAPTION]]
