"""How many hashes it takes to find all pairs of similar vectors (Charikar, STOC 2002).

The sides of random planes on which a vector lies are a hash of it: of each plane two vectors lie on
different sides with probability angle / pi. So vectors of a small angle soon agree in all bits of a
table of hashes, and only those that agree somewhere are compared.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from udfs.bucket_kernel import SKETCH_WORDS, WORD_BITS
from udfs.products import has_bfloat16
from udfs.random_planes import BFLOAT16_ROUNDING
from udfs.vectors import Vectors

MISSED = 1e-10  # probability, at most, with which a pair of just the threshold is missed
SKETCH_BITS = SKETCH_WORDS * WORD_BITS
_MOST_BITS = 24  # of a table: its buckets are counted in memory
_MOST_TABLES = 4096
_SAMPLE = 2048  # vectors, of which each of one half is compared with each of the other
# Nanoseconds on one core, measured with 16 to 512 numbers a vector; those with a second figure are
# a + b * numbers. A bit of a hash, by number, in bfloat16 and float32; a row of a table; a bucket;
# a pair of sketches; of vectors that lie anywhere in memory; of vectors when all are compared.
_BIT_HALF, _BIT_SINGLE = 0.003, 0.05
_ROW, _BUCKET, _SKETCHES, _PRODUCT, _EACH_WITH_EACH = (20, 0.25), 3.0, 3.0, (50, 0.2), (4, 0.008)
_ROUNDING = 1e-5  # of an angle, by sums in float32


@dataclass(frozen=True)
class HashPlan:
    """Tables of hashes, each of `bits` bits.

    Vectors in one bucket of a table whose sketches, of SKETCH_BITS bits, differ in more than
    most_different are not compared.
    """

    bits: int
    n_tables: int
    most_different: int


def plan_hashes(vectors: Vectors, threshold: float) -> HashPlan | None:
    """The cheapest plan to find the pairs of a cosine of at least the threshold.

    A pair is missed with a probability of at most MISSED. None if it costs less to compare each
    vector with each. vectors: (n, dimension), unit vectors; a sample of them is looked at.
    """
    n, dimension = vectors.shape
    angle = math.acos(min(1.0, threshold))
    # Probability, of vectors of just the threshold.
    bit_differs = (angle + 2 * BFLOAT16_ROUNDING + _ROUNDING) / math.pi
    most_different = _most_different(bit_differs)
    shares = _angles(vectors) / math.pi
    # Vectors above the threshold are linked at once, and not compared any more.
    is_below = shares > angle / math.pi
    is_multiplied = is_below & (shares * SKETCH_BITS <= most_different)
    pair_ns = is_below * _SKETCHES + is_multiplied * _nanoseconds(_PRODUCT, dimension)
    bit_ns = dimension * (_BIT_HALF if has_bfloat16() else _BIT_SINGLE)
    cheapest, least_ns = None, n / 2 * _nanoseconds(_EACH_WITH_EACH, dimension)
    for bits in range(1, _MOST_BITS + 1):
        hash_agrees = (1 - bit_differs) ** bits
        n_tables = math.ceil(math.log(MISSED / 2) / math.log1p(-hash_agrees))
        if n_tables > _MOST_TABLES:
            break
        in_buckets_ns = n / 2 * float(np.mean((1 - shares) ** bits * pair_ns))
        row_ns = _nanoseconds(_ROW, dimension) + bits * bit_ns + 2**bits / n * _BUCKET
        ns = n_tables * (row_ns + in_buckets_ns)
        if ns < least_ns:
            cheapest, least_ns = HashPlan(bits, n_tables, most_different), ns
    return cheapest


def _nanoseconds(cost: tuple[float, float], dimension: int) -> float:
    return cost[0] + cost[1] * dimension


def _angles(vectors: Vectors) -> NDArray[np.float64]:
    """The angles (k, k) of vectors of a sample with others, drawn: rows may have a period."""
    drawn = np.random.default_rng(0).integers(0, len(vectors), _SAMPLE)
    sample = vectors[np.unique(drawn)].astype(np.float64)
    angles: NDArray[np.float64] = np.arccos((sample[::2] @ sample[1::2].T).clip(-1, 1))
    return angles


def _most_different(bit_differs: float) -> int:
    """Bits of sketches; more of them differ with probability MISSED / 2 at most."""
    log_differs, log_agrees = math.log(bit_differs), math.log1p(-bit_differs)
    above = 0.0
    for count in range(SKETCH_BITS, 0, -1):
        log_ways = math.lgamma(SKETCH_BITS + 1)
        log_ways -= math.lgamma(count + 1) + math.lgamma(SKETCH_BITS - count + 1)
        above += math.exp(log_ways + count * log_differs + (SKETCH_BITS - count) * log_agrees)
        if above > MISSED / 2:
            return count
    return 0
