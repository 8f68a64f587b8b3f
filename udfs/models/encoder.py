"""What all encoders share: batches in, unit vectors out, smaller batches where memory ends."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from udfs.models.device import inference, is_out_of_memory
from udfs.models.spec import Precision
from udfs.vectors import Vectors

Inputs: TypeAlias = Mapping[str, Any]  # name -> tensor, whose first axis is the batch


@dataclass(frozen=True)
class Batch:
    """Inputs for a model and the items, by position, that they are of."""

    positions: NDArray[np.int64]
    inputs: Inputs


@dataclass(frozen=True)
class Prepared:
    """Items ready for the device, and those that cannot be: position -> reason."""

    n_items: int
    batches: Sequence[Batch]
    faults: Mapping[int, str] = field(default_factory=dict)


class Encoder(Protocol):
    """A model on its device."""

    device: str
    precision: Precision
    dimension: int

    def prepare(self, items: Sequence[Any]) -> Prepared:
        """Tokenise or decode, on the host."""

    def forward(self, inputs: Inputs) -> Any:
        """A tensor (batch, dimension) of inputs that lie on the device."""


def cut_by_length(lengths: NDArray[np.int64], batch_size: int) -> Iterator[NDArray[np.int64]]:
    """Positions of items, longest first, in batches whose items are of like length.

    A batch ends early where going on would pad items by a third, once it has an eighth of its size.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < order.size:
        of_batch = lengths[order[start : start + batch_size]]
        alike = int(np.count_nonzero(4 * of_batch >= 3 * of_batch[0]))
        end = start + max(alike, batch_size // 8, 1)
        yield order[start:end]
        start = end


def encode(encoder: Encoder, prepared: Prepared) -> tuple[Vectors, dict[int, str]]:
    """(unit vectors (n_items, dimension), faults); the vector of a faulty item is of zeros."""
    vectors = np.zeros((prepared.n_items, encoder.dimension), np.float32)
    faults = dict(prepared.faults)
    with inference(encoder.device, encoder.precision):
        for batch in prepared.batches:
            vectors[batch.positions] = run_in_halves(encoder, batch.inputs)
    lengths = np.linalg.norm(vectors, axis=1)
    is_wrong = ~(np.isfinite(lengths) & (lengths > 0))
    for position in np.flatnonzero(is_wrong).tolist():
        is_zero = lengths[position] == 0
        faults.setdefault(position, "vector_is_zero" if is_zero else "vector_not_finite")
    vectors[is_wrong] = 0
    vectors[~is_wrong] /= lengths[~is_wrong, None]
    return vectors, faults


def run_in_halves(encoder: Encoder, inputs: Inputs) -> Vectors:
    """The vectors of a batch, which is halved as long as the device has no room for it."""
    import torch

    try:
        there = {name: tensor.to(encoder.device) for name, tensor in inputs.items()}
        vectors: Vectors = encoder.forward(there).float().cpu().numpy()
        return vectors
    except RuntimeError as fault:
        size = len(next(iter(inputs.values())))
        if size == 1 or not is_out_of_memory(fault):
            raise
    # Outside of the handler, so that nothing holds on to what did not fit.
    if encoder.device != "cpu":
        torch.cuda.empty_cache()
    half = size // 2
    parts = [{k: v[:half] for k, v in inputs.items()}, {k: v[half:] for k, v in inputs.items()}]
    return np.concatenate([run_in_halves(encoder, part) for part in parts])


def one_ahead(windows: Iterator[Any], prepare: Callable[[Any], Any]) -> Iterator[tuple[Any, Any]]:
    """(window, what `prepare` made of it), while the next is being prepared in a thread."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = None
        for window in windows:
            following = (window, pool.submit(prepare, window))
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = following
        if waiting is not None:
            yield waiting[0], waiting[1].result()
