"""How long a training is: samples, steps and loader workers, as open_clip's trainer counts them."""

import math
from dataclasses import dataclass

PAPERS = (
    "DataComp, training: samples seen in place of epochs, in parts that end with a checkpoint",
)
_MOST_LOADER_WORKERS = 4  # open_clip's default
_MOST_STEPS_BETWEEN_ROWS = 100  # open_clip's default
_ROWS_OF_FEW_STEPS = 200  # as many rows at least has the table, if there are as many steps
_WARMUP, _WARMUP_SHARE = 10_000, 10  # open_clip's default; at most a tenth of the steps


@dataclass(frozen=True)
class TrainingPlan:
    """`epochs` parts of `samples` each, before they are rounded up to whole batches.

    batch_size: of a process. loader_workers: of a process. accumulate: batches of a step.
    in_passes: parts go on in the pass over the rows where the last one ended, else each begins one.
    """

    samples: int
    epochs: int
    batch_size: int
    processes: int = 1
    loader_workers: int = 1
    accumulate: int = 1
    in_passes: bool = False

    @property
    def batches_per_epoch(self) -> int:
        """Batches of each process in a part: as many of each loader worker, and whole steps.

        Rounded up; open_clip itself reads batches that do not fill a step and trains on none.
        """
        batches = -(-self.samples // (self.batch_size * self.processes))
        unit = math.lcm(max(1, self.loader_workers), self.accumulate)
        return -(-batches // unit) * unit

    @property
    def steps_per_epoch(self) -> int:
        """Steps of the optimiser in a part."""
        return self.batches_per_epoch // self.accumulate

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.steps_per_epoch * self.epochs

    @property
    def samples_per_epoch(self) -> int:
        """Samples that all processes see in a part."""
        return self.batches_per_epoch * self.batch_size * self.processes

    @property
    def samples_per_step(self) -> int:
        """Samples that all processes see in a step."""
        return self.batch_size * self.processes * self.accumulate

    @property
    def log_every(self) -> int:
        """Steps from a row of the table to the next, where the user says nothing."""
        return max(1, min(_MOST_STEPS_BETWEEN_ROWS, self.steps // _ROWS_OF_FEW_STEPS))

    @property
    def warmup(self) -> int:
        """Steps until the learning rate has its full height, where the user says nothing."""
        return min(_WARMUP, self.steps // _WARMUP_SHARE)


def loader_workers_for(n_shards: int, n_batches: int, processes: int) -> int:
    """Loader workers of a process: 4 as of open_clip, or fewer, with a shard and a batch for each.

    n_batches: of a process in a part.
    """
    return max(1, min(_MOST_LOADER_WORKERS, n_shards // processes, n_batches))
