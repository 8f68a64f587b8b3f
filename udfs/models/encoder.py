"""What all encoders share: prepared batches in, unit vectors out, halved when out of memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from udfs.models.device import inference, is_out_of_memory
from udfs.models.spec import Precision
from udfs.vectors import Vectors

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
    """A model on its device, with vectors of length `dimension`."""

    device: str
    precision: Precision
    dimension: int

    def prepare(self, items: Sequence[Any]) -> Prepared:
        """Tokenise or decode items, on the host."""

    def forward(self, inputs: Inputs) -> Any:
        """Vectors (batch, dimension), not normalised, for inputs that are on the device."""


def cut_by_length(lengths: NDArray[np.int64], batch_size: int) -> Iterator[NDArray[np.int64]]:
    """Positions of items, longest first, in batches of items of similar length.

    A batch ends at the first item below 3/4 of its longest, but not before an eighth of the batch
    size.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < order.size:
        full_batch = lengths[order[start : start + batch_size]]
        n_similar = int(np.count_nonzero(4 * full_batch >= 3 * full_batch[0]))
        end = start + max(n_similar, batch_size // 8, 1)
        yield order[start:end]
        start = end


def encode(encoder: Encoder, prepared: Prepared) -> tuple[Vectors, dict[int, str]]:
    """(unit vectors (n_items, dimension), position -> fault); items with a fault get zeros."""
    vectors = np.zeros((prepared.n_items, encoder.dimension), np.float32)
    faults = dict(prepared.faults)
    with inference(encoder.device, encoder.precision):
        for batch in prepared.batches:
            vectors[batch.positions] = forward_halving(encoder, batch.inputs)
    lengths = np.linalg.norm(vectors, axis=1)
    has_no_direction = ~(np.isfinite(lengths) & (lengths > 0))
    for position in np.flatnonzero(has_no_direction).tolist():
        is_zero = lengths[position] == 0
        faults.setdefault(position, "vector_is_zero" if is_zero else "vector_not_finite")
    vectors[has_no_direction] = 0
    vectors[~has_no_direction] /= lengths[~has_no_direction, None]
    return vectors, faults


def forward_halving(encoder: Encoder, inputs: Inputs) -> Vectors:
    """The vectors of a batch, which is halved as often as the device is out of memory."""
    import torch

    try:
        on_device = {name: tensor.to(encoder.device) for name, tensor in inputs.items()}
        vectors: Vectors = encoder.forward(on_device).float().cpu().numpy()
        return vectors
    except RuntimeError as fault:
        size = len(next(iter(inputs.values())))
        if size == 1 or not is_out_of_memory(fault):
            raise
    # Outside of the handler, whose exception keeps tensors of the failed batch alive.
    if encoder.device != "cpu":
        torch.cuda.empty_cache()
    half = size // 2
    parts = [{k: v[:half] for k, v in inputs.items()}, {k: v[half:] for k, v in inputs.items()}]
    return np.concatenate([forward_halving(encoder, part) for part in parts])


def prepare_ahead(
    windows: Iterator[Any], prepare: Callable[[Any], Any]
) -> Iterator[tuple[Any, Any]]:
    """(window, prepare(window)) for each, while a thread prepares the next one."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        current = None
        for window in windows:
            following = (window, pool.submit(prepare, window))
            if current is not None:
                yield current[0], current[1].result()
            current = following
        if current is not None:
            yield current[0], current[1].result()
