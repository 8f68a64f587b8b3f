"""Short vectors whose inner products are upper bounds of those of long ones.

For orthonormal axes a vector x has coordinates x' on the first few, and a rest of length r; so
xy <= x'y' + r s by the Cauchy-Schwarz inequality, which is the product of (x', r) and (y', s). If
the axes are those along which the vectors differ most, that bound is soon below a threshold for all
pairs but the similar ones, at a fraction of the multiplications.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from udfs.vectors import Vectors

_SAMPLE = 2048  # vectors of a side; the axes are computed from half of them, tried on the others
_LENGTHS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768)
# Multiplications that take as long as one exact product, by term: those are single, in float64.
_EXACT_COST = 20
ROUNDING = 1e-6  # of a bound, relative to the lengths of the two vectors


@dataclass(frozen=True)
class UpperBounds:
    """Axes (dimension, n), orthonormal; None if vectors are best compared as they are."""

    axes: NDArray[np.float64] | None

    def shortened(self, vectors: Vectors) -> Vectors:
        """(n, number of axes + 1): products of these bound those of the vectors from above.

        By less than ROUNDING times both lengths they may be too small.
        """
        if self.axes is None:
            return vectors
        exact = vectors.astype(np.float64)
        along = exact @ self.axes
        rest = np.einsum("ij,ij->i", exact, exact) - np.einsum("ij,ij->i", along, along)
        return np.column_stack([along, np.sqrt(rest.clip(0))]).astype(np.float32)


def upper_bounds(vectors: Vectors, others: Vectors, threshold: float) -> UpperBounds:
    """The bounds that make it cheapest to find which vectors reach the threshold with others.

    The choice depends on samples of both, (n, dimension) and (m, dimension); any is exact.
    """
    dimension = vectors.shape[1]
    samples = [_sample(side) for side in (vectors, others)]
    # The axes fit the vectors that they are computed from better than others.
    seen = np.concatenate([side[::2] for side in samples]).astype(np.float64)
    unseen = [side[1::2] for side in samples]
    if not all(map(len, unseen)):
        return UpperBounds(None)
    _, axes = np.linalg.eigh(seen.T @ seen)  # ascending
    axes = axes[:, ::-1]
    cheapest, least_cost = UpperBounds(None), float(dimension)
    for length in (n for n in _LENGTHS if n < dimension):
        candidate = UpperBounds(np.ascontiguousarray(axes[:, :length]))
        short, other_short = map(candidate.shortened, unseen)
        share = float(np.mean(short @ other_short.T >= threshold))
        cost = length + share * dimension * _EXACT_COST
        if cost < least_cost:
            cheapest, least_cost = candidate, cost
    return cheapest


def _sample(vectors: Vectors) -> Vectors:
    step = max(1, len(vectors) // _SAMPLE)
    return vectors[::step][:_SAMPLE]
