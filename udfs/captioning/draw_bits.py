"""What a caption's draw decides: its samples, its jackknife group and its bootstrap weights.

All are functions of one uniform number in [0, 1), itself a hash of the uid and the seed: the same
on any cluster and in any partitioning, and the same for all captions of an image.
"""

import numpy as np
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined
from udfs.hashing import mixed

LEVELS = 16  # samples of 1, 1/2, 1/4, ..., 2^-15 of the images
GROUPS = 20  # of the jackknife
_MANTISSA = 2.0**53

# Cumulative probabilities of Poisson(1), times 2^32; the last weight, 12, has the rest, 1e-10.
_POISSON = np.array(
    np.cumsum([np.exp(-1.0) / p for p in np.cumprod([1.0, *range(1, 13)])]) * 2.0**32, np.uint64
)


def sample_level(draws: NDArray[np.float64]) -> NDArray[np.int64]:
    """The largest level k, below LEVELS, of whose sample the caption is: its draw is below 2^-k."""
    with np.errstate(divide="ignore"):
        levels = np.floor(-np.log2(draws))
    exact = np.where(draws < 2.0 ** -np.minimum(levels, 60), levels, levels - 1)
    return np.clip(exact, 0, LEVELS - 1).astype(np.int64)


def jackknife_group(draws: NDArray[np.float64]) -> NDArray[np.int64]:
    """The group, 0 to GROUPS - 1, that a caption is left out with."""
    return np.asarray(_groups((draws * _MANTISSA).astype(np.uint64)))


@compiled
def _groups(bits):
    groups = np.empty(bits.size, np.int64)
    for k in range(bits.size):
        groups[k] = np.int64(
            (mixed(mixed(bits[k]) + np.uint64(1)) >> np.uint64(32)) % np.uint64(GROUPS)
        )
    return groups


@inlined
def poisson_weight(bits, replicate):
    """How often a bootstrap replicate, 1, 2, ..., draws the caption: Poisson of mean 1."""
    key = mixed(bits) + np.uint64(replicate + 1) * np.uint64(0x9E3779B97F4A7C15)
    drawn = mixed(key) >> np.uint64(32)
    weight = 0
    while weight < 12 and drawn >= _POISSON[weight]:
        weight += 1
    return weight


def draw_bits(draws: NDArray[np.float64]) -> NDArray[np.uint64]:
    """The 53 bits of each draw."""
    return (draws * _MANTISSA).astype(np.uint64)


@compiled
def poisson_weights(bits, n_replicates):
    """Weights, (n, n_replicates), of captions by their bits, (n,)."""
    weights = np.empty((bits.size, n_replicates), np.int64)
    for k in range(bits.size):
        for replicate in range(n_replicates):
            weights[k, replicate] = poisson_weight(bits[k], replicate)
    return weights
