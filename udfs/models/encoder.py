"""What all encoders share: prepared batches in, unit vectors out, halved when out of memory."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from udfs.models.device import fetch, inference, is_out_of_memory, pinned, upload
from udfs.models.spec import Precision
from udfs.vectors import Vectors

T = TypeVar("T")
Inputs: TypeAlias = Mapping[str, Any]  # name -> tensor; the first axis is the batch


@dataclass(frozen=True)
class Batch:
    """Inputs for a model, and the positions of the items they are made from, (batch,)."""

    positions: NDArray[np.int64]
    inputs: Inputs


@dataclass(frozen=True)
class Prepared:
    """Items as batches ready for the device; `faults`: position -> reason of those that failed."""

    n_items: int
    batches: Sequence[Batch]
    faults: Mapping[int, str] = field(default_factory=dict)


class Encoder(Protocol):
    """A model on its device, with vectors of length `dimension`.

    `precision`: what its operations are cast to; fp32 casts nothing.
    """

    device: str
    precision: Precision
    dimension: int

    def prepare(self, items: Sequence[Any]) -> Prepared:
        """Tokenise or decode items, on the host."""

    def forward(self, inputs: Inputs) -> Any:
        """Vectors (batch, dimension), not normalised, for inputs that are on the device."""


def cut_by_length(
    lengths: NDArray[np.int64], batch_size: int, most_tokens: int | None = None
) -> Iterator[NDArray[np.int64]]:
    """Positions of items, longest first, in batches of items of similar length.

    A batch has at most batch_size items, or as many as have `most_tokens` if that is given. It
    ends at the first item below 3/4 of its longest, but not before an eighth of those.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < order.size:
        longest = max(int(lengths[order[start]]), 1)
        most = batch_size if most_tokens is None else max(most_tokens // longest, 1)
        full_batch = lengths[order[start : start + most]]
        n_similar = int(np.count_nonzero(4 * full_batch >= 3 * full_batch[0]))
        end = start + max(n_similar, most // 8, 1)
        yield order[start:end]
        start = end


def encode(encoder: Encoder, prepared: Prepared) -> tuple[Vectors, dict[int, str]]:
    """(unit vectors (n_items, dimension), position -> fault); items with a fault get zeros."""
    return launch(encoder, prepared)()


def launch(encoder: Encoder, prepared: Prepared) -> Callable[[], tuple[Vectors, dict[int, str]]]:
    """Start to encode; the function that is returned waits and gives the result of `encode`.

    A GPU has all batches queued by then, and its results are copied to the host at once.
    """
    import torch

    with inference(encoder.device, encoder.precision):
        vectors = torch.zeros((prepared.n_items, encoder.dimension), device=encoder.device)
        for batch in prepared.batches:
            positions = upload({"": pinned(batch.positions, encoder.device)}, encoder.device)[""]
            vectors[positions] = forward_halving(encoder, batch.inputs)
        lengths = torch.linalg.vector_norm(vectors, dim=1)
        has_direction = torch.isfinite(lengths) & (lengths > 0)
        unit_vectors = torch.where(has_direction[:, None], vectors / lengths[:, None], 0)
        results = fetch([unit_vectors, lengths], encoder.device)

    def wait() -> tuple[Vectors, dict[int, str]]:
        unit_vectors, lengths = results()
        faults = dict(prepared.faults)
        for position in np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0))).tolist():
            is_zero = lengths[position] == 0
            faults.setdefault(position, "vector_is_zero" if is_zero else "vector_not_finite")
        return unit_vectors, faults

    return wait


def forward_halving(encoder: Encoder, inputs: Inputs) -> Any:
    """The vectors of a batch, float32, on the device; halved as often as that is out of memory."""
    import torch

    def forward(positions: range) -> list[Any]:
        part = {name: v[positions.start : positions.stop] for name, v in inputs.items()}
        return [encoder.forward(upload(part, encoder.device)).float()]

    vectors = halving(forward, range(len(next(iter(inputs.values())))), encoder.device)
    return vectors[0] if len(vectors) == 1 else torch.cat(vectors)


def halving(function: Callable[[range], list[T]], positions: range, device: str) -> list[T]:
    """`function` of consecutive positions, of halves of them where the device is out of memory.

    What it returns of each part is joined. A single position without room raises.
    """
    import torch

    try:
        return function(positions)
    except RuntimeError as fault:
        if len(positions) == 1 or not is_out_of_memory(fault):
            raise
    # Outside of the handler, whose exception keeps tensors of the failed batch alive.
    if device != "cpu":
        torch.cuda.empty_cache()
    half = len(positions) // 2
    parts = (positions[:half], positions[half:])
    return [value for part in parts for value in halving(function, part, device)]


def prepare_ahead(
    windows: Iterator[Any], prepare: Callable[[Any], Any], n_ahead: int = 2, *, n_at_once: int = 1
) -> Iterator[tuple[Any, Any]]:
    """(window, prepare(window)) for each, while threads prepare the next `n_ahead`.

    `n_at_once`: how many of them at the same time, so that the last parts of one leave no CPU idle.
    """
    with ThreadPoolExecutor(max_workers=n_at_once) as pool:
        following: deque[tuple[Any, Future[Any]]] = deque()
        for window in windows:
            following.append((window, pool.submit(prepare, window)))
            if len(following) > n_ahead:
                current, prepared = following.popleft()
                yield current, prepared.result()
        while following:
            current, prepared = following.popleft()
            yield current, prepared.result()
