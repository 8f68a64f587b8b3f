"""The processes that train one model together: what they gather, and how gradients are shared."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Processes:
    """A process among all of a training; of one alone, nothing is sent."""

    rank: int = 0
    world_size: int = 1
    device: str = "cpu"

    def numbers(self, number: int) -> list[int]:
        """A number of each process, by rank."""
        if self.world_size == 1:
            return [number]
        import torch
        from torch import distributed

        own = torch.tensor([number], device=self.device)
        gathered = [torch.empty_like(own) for _ in range(self.world_size)]
        distributed.all_gather(gathered, own)
        return [int(value) for value in torch.cat(gathered).tolist()]

    def rows(self, vectors: Any, counts: Sequence[int]) -> Any:
        """The rows of all processes, by rank; only this process' have gradients.

        vectors: (counts[rank], dimension). So SimCSE's code gathers negatives: each process
        computes the loss of all rows, and the gradients of its own.
        """
        if self.world_size == 1:
            return vectors
        import torch
        from torch import distributed

        padded = vectors.new_zeros((max(counts), vectors.shape[1]))
        padded[: len(vectors)] = vectors.detach()
        gathered = [torch.empty_like(padded) for _ in range(self.world_size)]
        distributed.all_gather(gathered, padded)
        parts = [part[:n] for part, n in zip(gathered, counts, strict=True)]
        parts[self.rank] = vectors
        return torch.cat(parts)

    def average_gradients(self, parameters: Sequence[Any]) -> None:
        """Replace each gradient by its mean over the processes, as DistributedDataParallel does.

        A process without rows has none, which counts as zeros.
        """
        if self.world_size == 1:
            return
        import torch
        from torch import distributed

        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([parameter.grad.reshape(-1) for parameter in parameters])
        distributed.all_reduce(flat)
        flat /= self.world_size
        start = 0
        for parameter in parameters:
            end = start + parameter.numel()
            parameter.grad.copy_(flat[start:end].view_as(parameter))
            start = end

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.numbers(0)


@contextmanager
def process_group(device: str) -> Iterator[Processes]:
    """The processes that torchrun has started, joined by nccl on GPUs and gloo on CPUs."""
    from torch import distributed

    if "WORLD_SIZE" not in os.environ or int(os.environ["WORLD_SIZE"]) == 1:
        yield Processes(device=device)
        return
    distributed.init_process_group("gloo" if device == "cpu" else "nccl")
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size(), device)
    finally:
        distributed.destroy_process_group()
