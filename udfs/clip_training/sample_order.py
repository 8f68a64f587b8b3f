"""The order of shards and samples, which seed, pass and process decide, also of one that goes on.

open_clip's loader shuffles samples by time and process id, and a part of a training that is no
whole pass (`samples seen`) would begin anew at every checkpoint, so that some rows come twice
before others come once.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, TypeAlias, TypeVar

import numpy as np

URL, PASS, IS_BEYOND = "url", "__pass__", "__is_beyond__"
_KEY, _SAMPLE_URL = "__key__", "__url__"
_PASSES_BEYOND = 2  # that a worker with broken shards may take from the next ones
T = TypeVar("T")
Sample: TypeAlias = dict[str, Any]
Shuffle: TypeAlias = Callable[[Iterator[Sample], Any], Iterator[Sample]]


def seed_of(*numbers: int) -> int:
    """A seed below 2**32 of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint32)[0])


def shard_order(shards: Sequence[T], seed: int, number: int) -> list[T]:
    """The shards in the order of a pass."""
    places = np.random.default_rng([seed, number]).permutation(len(shards))
    return [shards[place] for place in places]


def shards_in_passes(
    shards: Sequence[T], seed: int, start: int, most_passes: int
) -> Iterator[tuple[T, int]]:
    """(shard, number of its pass), from the `start`-th on, counted over all passes from 0."""
    first, left_out = divmod(start, len(shards))
    for number in range(first, first + most_passes):
        yield from ((shard, number) for shard in shard_order(shards, seed, number)[left_out:])
        left_out = 0


class SampleOrder:
    """The order in one process of a training; its methods are stages of webdataset's pipeline.

    rows: samples of all shards. samples_per_epoch: seen by all processes in an epoch of the
    trainer. in_passes: an epoch goes on at the shard where the last one ended, else each is a pass
    of its own. rank: of the process. standard_draws: Python's own module of draws, by which the
    trainer shuffles; here it is only seeded.
    """

    def __init__(
        self,
        *,
        rows: int,
        samples_per_epoch: int,
        in_passes: bool,
        seed: int,
        rank: int,
        standard_draws: Any,
    ) -> None:
        self._rows, self._samples_per_epoch = rows, samples_per_epoch
        self._in_passes, self._seed, self._rank = in_passes, seed, rank
        self._standard_draws = standard_draws
        self._epoch = 0

    def shards(self, source: Iterable[Any], epoch: int) -> Iterator[Sample]:
        """The shards of an epoch in order, and beyond them those that follow, if it lasts longer.

        A shard in which an epoch ends is read again by the next one.
        """
        shards = [entry[URL] for entry in source]
        start, end = epoch * len(shards), (epoch + 1) * len(shards)
        if self._in_passes:
            start, end = (
                sign * (sign * number * self._samples_per_epoch * len(shards) // self._rows)
                for sign, number in ((1, epoch), (-1, epoch + 1))
            )
        most = -(-self._samples_per_epoch // self._rows) + _PASSES_BEYOND
        self._epoch = epoch  # before a shard is asked for: `shuffled` is called meanwhile
        if is_loader_worker():  # which draws crops; the training process is seeded by itself
            own = seed_of(self._seed, self._rank, epoch, 1 + worker_number())
            seed_everything(own, self._standard_draws)
        in_order = enumerate(shards_in_passes(shards, self._seed, start, most), start)
        return (
            {URL: shard, PASS: number, IS_BEYOND: place >= end}
            for place, (shard, number) in in_order
        )

    def shuffled(self, samples: Iterable[Sample], shuffle: Shuffle) -> Iterator[Sample]:
        """The samples as the trainer's own shuffle orders them, seeded, each pass by itself.

        A pass, or an epoch's part of it, is drained before what follows, so that no row comes twice
        before others came.
        """
        draws = self._standard_draws.Random(
            seed_of(self._seed, self._rank, worker_number(), self._epoch)
        )
        for _, together in groupby(samples, key=lambda row: (row[PASS], row[IS_BEYOND])):
            yield from shuffle(together, draws)


def with_passes(
    source: Iterable[Sample],
    samples_of: Callable[[Iterable[Sample]], Iterator[Sample]],
) -> Iterator[Sample]:
    """The samples of shards, each with the number of the pass that its shard was read in.

    A reader may ask for the next shard before it gives the last sample of one, so the pass is
    looked up by the shard's name, for as many times as it was opened.
    """
    opened: dict[str, deque[Sample]] = defaultdict(deque)

    def noted() -> Iterator[Sample]:
        for entry in source:
            place = {name: entry.get(name, 0) for name in (PASS, IS_BEYOND)}
            opened[entry[URL]].append(place)
            yield entry

    shard = first_key = None
    place: Sample = {PASS: 0, IS_BEYOND: 0}
    for sample in samples_of(noted()):
        url, key = sample[_SAMPLE_URL], sample[_KEY]
        if (url != shard or key == first_key) and opened[url]:
            shard, first_key, place = url, key, opened[url].popleft()
        yield sample | place


def worker_number() -> int:
    """The number of this process among a loader's workers; 0 outside of one."""
    from torch.utils.data import get_worker_info

    worker = get_worker_info()
    return 0 if worker is None else worker.id


def is_loader_worker() -> bool:
    """Whether this process is one of a loader's workers."""
    from torch.utils.data import get_worker_info

    return get_worker_info() is not None


def seed_everything(seed: int, standard_draws: Any) -> None:
    """Seed all generators of this process, so that an epoch is the same after a resume."""
    import torch

    torch.manual_seed(seed)
    standard_draws.seed(seed)
    np.random.seed(seed)
