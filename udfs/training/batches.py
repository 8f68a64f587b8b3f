"""What the readers of a snapshot have in common: batches by epoch, rank and worker."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from udfs.training.faults import SnapshotError


class Batches(ABC):
    """The batches of a rank, of which each worker of a process makes its own part."""

    @abstractmethod
    def identity(self, n_workers: int) -> dict[str, Any]:
        """What a state must share with the batches that go on from it."""

    @abstractmethod
    def n_batches(self, epoch: int, n_workers: int = 1) -> int:
        """The batches of this rank in an epoch, of all workers together."""

    @abstractmethod
    def of_worker(
        self, epoch: int, *, worker: int = 0, n_workers: int = 1, start: int = 0
    ) -> Iterator[Any]:
        """Every n_workers-th batch of an epoch, from start + worker on.

        So the workers in turn give the batches from `start` on in their order.
        """


def check_ranks(rank: int, world_size: int) -> None:
    """Raise SnapshotError unless 0 <= rank < world_size."""
    require_whole_number("world_size", world_size, least=1)
    require_whole_number("rank", rank, least=0)
    if rank >= world_size:
        raise SnapshotError(f"rank: {rank}, expected less than world_size, {world_size}")


def require_whole_number(name: str, value: Any, *, least: int) -> None:
    """Raise SnapshotError unless a value is a whole number of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise SnapshotError(f"{name}: {value!r}, expected a whole number of at least {least}")
