"""Iterate over batches of a snapshot, in this process or in workers of torch; go on later."""

from collections.abc import Iterator, Mapping
from typing import Any

from udfs.training.batches import Batches, require_whole_number
from udfs.training.faults import SnapshotError

# Options of torch's DataLoader that would change which batches there are, or their order.
_OF_BATCHES = {
    *("batch_size", "shuffle", "sampler", "batch_sampler", "drop_last", "collate_fn", "in_order"),
    "dataset",
}


class Loader:
    """An epoch of batches each time it is iterated over, each with an order of its own.

    `num_workers`: processes of torch's DataLoader that read and transform batches; 0 reads in this
    process, without torch. `options` go to the DataLoader, such as `prefetch_factor`; those that
    make or order batches are refused. The batches come in their order, whoever made them, and their
    number is that of the plan or SnapshotError is raised, so no row is lost without a word.
    """

    def __init__(self, batches: Batches, num_workers: int = 0, **options: Any) -> None:
        require_whole_number("num_workers", num_workers, least=0)
        of_batches = sorted(_OF_BATCHES & options.keys())
        if of_batches:
            raise SnapshotError(f"{of_batches[0]}: is decided by the batches, not by the loader")
        self._batches, self._num_workers, self._options = batches, num_workers, options
        self._epoch, self._done, self._start = 0, 0, 0

    @property
    def epoch(self) -> int:
        """The number of the epoch that is being read, or comes next, from 0."""
        return self._epoch

    def set_epoch(self, epoch: int) -> None:
        """Begin with the first batch of an epoch."""
        require_whole_number("epoch", epoch, least=0)
        self._epoch, self._done, self._start = epoch, 0, 0

    def __len__(self) -> int:
        """The batches of the epoch that comes next, for this rank."""
        return self._batches.n_batches(self._epoch, max(1, self._num_workers))

    def __iter__(self) -> Iterator[Any]:
        """The batches of an epoch; after `load_state_dict`, those that had not come yet."""
        self._done, self._start = self._start, 0
        for batch in self._rest(self._epoch, self._done):
            self._done += 1
            yield batch
        if self._done != len(self):
            raise SnapshotError(
                f"epoch {self._epoch} ended after {self._done:,} batches, expected {len(self):,}"
            )
        self._epoch, self._done = self._epoch + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands, in values that JSON has: what has been handed out is done."""
        n_workers = max(1, self._num_workers)
        at = {"epoch": self._epoch, "batch": self._done or self._start}
        return {**at, **self._batches.identity(n_workers)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a state stands; SnapshotError if it is of other batches."""
        expected = self._batches.identity(max(1, self._num_workers))
        for name, value in expected.items():
            if state.get(name) != value:
                raise SnapshotError(
                    f"state: {name} is {state.get(name)!r}, expected {value!r}; go on with the "
                    "snapshot and arguments that the state was made with"
                )
        self.set_epoch(state.get("epoch", -1))
        require_whole_number("batch", state.get("batch"), least=0)
        self._start = state["batch"]

    def _rest(self, epoch: int, start: int) -> Iterator[Any]:
        if not self._num_workers:
            yield from self._batches.of_worker(epoch, start=start)
            return
        from torch.utils.data import DataLoader

        from udfs.training.torch_dataset import TorchBatches

        dataset = TorchBatches(self._batches, epoch, start)
        options = {"batch_size": None, **self._options}
        try:
            yield from DataLoader(dataset, num_workers=self._num_workers, **options)
        except SnapshotError as fault:  # torch makes a text of many lines of it
            last = str(fault).strip().rpartition(f"{SnapshotError.__name__}: ")[2]
            raise SnapshotError(last) from None
