"""Captions as a process of a training reads them: its share of each epoch, in an order by seed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


class CaptionRows(Protocol):
    """A process' share of the captions."""

    @property
    def n_rows(self) -> int:
        """The captions of all processes."""

    def most_rows(self, epoch: int) -> int:
        """The captions of the process that has most of them in an epoch, counted from 0."""

    def blocks(self, epoch: int) -> Iterator[Sequence[str]]:
        """The share in the order of an epoch, in blocks of any length."""


@dataclass(frozen=True)
class CaptionsInMemory:
    """Captions that are in memory, in an order drawn for each epoch; see CaptionRows."""

    captions: Sequence[str]
    seed: int = 0
    rank: int = 0
    world_size: int = 1

    @property
    def n_rows(self) -> int:
        """See CaptionRows."""
        return len(self.captions)

    def most_rows(self, epoch: int) -> int:
        """See CaptionRows: processes differ by one row at most."""
        return -(-len(self.captions) // self.world_size)

    def blocks(self, epoch: int) -> Iterator[Sequence[str]]:
        """See CaptionRows."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.captions))
        yield [self.captions[k] for k in order[self.rank :: self.world_size]]


def in_batches(blocks: Iterable[Sequence[str]], batch_size: int) -> Iterator[list[str]]:
    """The captions of all blocks in batches; the last one may be shorter."""
    batch: list[str] = []
    for block in blocks:
        start = 0
        while start < len(block):
            part = block[start : start + batch_size - len(batch)]
            batch.extend(part)
            start += len(part)
            if len(batch) == batch_size:
                yield batch
                batch = []
    if batch:
        yield batch
