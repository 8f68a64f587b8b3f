"""The batches of an epoch as a dataset of torch; imported only where it is used."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import IterableDataset, get_worker_info

from udfs.training.batches import Batches


class TorchBatches(IterableDataset[Any]):
    """The batches of an epoch from number `start` on, for a DataLoader with `batch_size=None`."""

    def __init__(self, batches: Batches, epoch: int = 0, start: int = 0) -> None:
        self._batches, self._epoch, self._start = batches, epoch, start

    def __iter__(self) -> Iterator[Any]:
        """Those that this worker makes."""
        info = get_worker_info()
        worker, n_workers = (0, 1) if info is None else (info.id, info.num_workers)
        return self._batches.of_worker(
            self._epoch, worker=worker, n_workers=n_workers, start=self._start
        )
