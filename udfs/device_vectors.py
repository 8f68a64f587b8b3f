"""Vectors on a device, and their inner products with bounds on the errors."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from udfs.models.device import is_out_of_memory
from udfs.products import MARGIN, SINGLE_ROUNDING
from udfs.vectors import Vectors, slices

_UPLOAD_ROWS = 1 << 13  # that the host copies while a GPU takes those before
_EXACT_NUMBERS = 1 << 24  # of vectors that are multiplied in float64 at once
_HALF_ROUNDING = 1.01 * 2.0**-8  # relative error of a product that is rounded to bfloat16
_DOUBLE_ROUNDING = 1.01 * 2.0**-52  # difference per term of two float64 sums of the same terms
_TINY = 1e-18  # more than lengths whose squares are flushed to zero


@dataclass(frozen=True)
class DeviceVectors:
    """Vectors on a device.

    full: (n, dimension), float32; half: the same in bfloat16. lengths, errors: (n,), at least those
    of the vectors and of what is rounded off. is_nan: (n,), whether a vector has a NaN; None if
    none has. longest, largest_error: those of vectors without NaN.
    """

    full: Any
    half: Any
    lengths: Any
    errors: Any
    is_nan: Any
    longest: Any
    largest_error: Any

    @classmethod
    def of(cls, vectors: Vectors, device: str) -> "DeviceVectors":
        """Copy vectors (n, dimension) with n > 0 to a device; RuntimeError if it has no room."""
        import torch

        full = _uploaded(vectors, device)
        half = full.bfloat16()
        lengths = torch.linalg.vector_norm(full, dim=1) + _TINY
        errors = torch.linalg.vector_norm(full - half, dim=1) + _TINY
        is_nan = lengths.isnan()
        return cls(
            full,
            half,
            lengths,
            errors,
            is_nan if bool(is_nan.any()) else None,
            _largest(lengths),
            _largest(errors),
        )

    @classmethod
    def if_room(cls, vectors: Vectors, device: str) -> "DeviceVectors | None":
        """As `of`, but None if the device has no room for them."""
        try:
            return cls.of(vectors, device)
        except RuntimeError as fault:
            if not is_out_of_memory(fault):
                raise
        return None

    def __len__(self) -> int:
        return len(self.full)


def _largest(lengths: Any) -> Any:
    """The largest length, ignoring NaN; 0 of none."""
    return (
        lengths.new_zeros(()) if not len(lengths) else lengths.masked_fill(lengths.isnan(), 0).max()
    )


def _uploaded(vectors: Vectors, device: str) -> Any:
    """The vectors on the device; parts go by pinned memory, so that a GPU copies by itself."""
    import torch

    is_gpu = device != "cpu"
    full = torch.empty(vectors.shape, device=device)
    with torch.cuda.device(device) if is_gpu else contextlib.nullcontext():
        for rows in slices(len(vectors), _UPLOAD_ROWS):
            part = torch.empty(full[rows].shape, pin_memory=is_gpu)
            np.copyto(part.numpy(), vectors[rows])
            full[rows].copy_(part, non_blocking=True)
    return full


class DevicePairs:
    """Products of pairs of `some` vectors and `others`: approximate ones, bounded, and exact ones.

    The bound is that of `udfs.products.HalfProducts`. Products count as large enough for anything
    where numbers could overflow.
    """

    def __init__(self, some: DeviceVectors, others: DeviceVectors) -> None:
        self.some, self.others = some, others
        self._dimension = some.full.shape[1]
        error = others.largest_error
        longest = others.longest + error
        norms = some.lengths + some.errors
        slack = some.errors * longest
        slack += norms * (error + longest * (self._dimension * SINGLE_ROUNDING))
        self._slack = slack * MARGIN
        self._is_bounded = (4 * norms * longest + self._slack).isfinite()
        self._overflows = not bool((self._is_bounded | some.lengths.isnan()).all())

    def products(self, some: slice, others: slice) -> Any:
        """Approximate products in bfloat16, (some, others); -inf with one that has a NaN."""
        import torch

        with _float32_sums():
            products = torch.mm(self.some.half[some], self.others.half[others].T)
        if self._overflows:
            products.nan_to_num_(nan=torch.inf, posinf=torch.inf, neginf=-torch.inf)
        if self.others.is_nan is not None:
            products.masked_fill_(self.others.is_nan[others], -torch.inf)
        return products

    def bound(self, least: Any, some: slice) -> Any:
        """What approximate products must reach for the exact ones to reach `least`, (some,).

        In bfloat16 as products are: of two numbers the larger one is not rounded to the less.
        """
        return self._if_bounded(least - self._slack[some], some).bfloat16()

    def at_least(self, products: Any, some: slice) -> Any:
        """What the exact products reach of approximate ones, (some,)."""
        numbers = products.float()
        least = numbers - numbers.abs() * _HALF_ROUNDING - self._slack[some]
        return self._if_bounded(least, some)

    def _if_bounded(self, numbers: Any, some: slice) -> Any:
        if not self._overflows:
            return numbers
        return numbers.masked_fill(~self._is_bounded[some], -float("inf"))

    def exact(self, some: Any, others: Any) -> tuple[Any, Any]:
        """Products of pairs of positions in float64, and by how much other such sums may differ."""
        import torch

        parts = [torch.zeros(0, dtype=torch.float64, device=some.device)]
        for part in slices(len(some), max(1, _EXACT_NUMBERS // max(1, self._dimension))):
            left, right = self.some.full[some[part]], self.others.full[others[part]]
            parts.append(left.double().mul_(right).sum(dim=1))
        lengths = self.some.lengths[some].double() * self.others.lengths[others]
        return torch.cat(parts), lengths * (self._dimension * _DOUBLE_ROUNDING)


@contextlib.contextmanager
def _float32_sums() -> Iterator[None]:
    """Context in which a GPU does not round parts of a sum to bfloat16."""
    import torch

    matmul = torch.backends.cuda.matmul
    before = matmul.allow_bf16_reduced_precision_reduction
    matmul.allow_bf16_reduced_precision_reduction = False
    try:
        yield
    finally:
        matmul.allow_bf16_reduced_precision_reduction = before
