"""How many hashes it takes to find all pairs of similar vectors (Charikar, STOC 2002).

The signs of a vector's products with random vectors are a hash of it: each sign of two vectors
differs with probability angle / pi. So vectors of a small angle soon agree in all signs of a table
of hashes, and only those that agree somewhere are compared.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from udfs.bucket_kernel import SKETCH_WORDS
from udfs.products import has_bfloat16
from udfs.random_planes import BFLOAT16_ROUNDING
from udfs.vectors import Vectors

MISSED = 1e-10  # probability, at most, with which a pair of just the threshold is missed
SKETCH_BITS = 64 * SKETCH_WORDS
_MOST_BITS = 24  # of a table: its buckets are counted in memory
_MOST_TABLES = 4096
_SAMPLE = 1 << 10  # vectors that are compared with as many others
# Nanoseconds, measured with 512 numbers on one core: a sign, by number of the vector, in bfloat16
# and in float32; a row of a table, and for each number of its vector; a bucket; two sketches; two
# vectors, by number; two vectors of all pairs, by number.
_SIGN_HALF, _SIGN_SINGLE, _ROW, _ROW_NUMBER, _BUCKET = 0.003, 0.05, 20.0, 0.25, 3.0
_SKETCHES, _VECTORS, _EACH_WITH_EACH = 3.0, 0.12, 0.006
_ROUNDING = 1e-5  # of an angle, by sums in float32


@dataclass(frozen=True)
class HashPlan:
    """Tables of hashes, each of `bits` signs.

    Vectors in one bucket of a table whose sketches, of SKETCH_BITS signs, differ in more than
    most_different bits are not compared.
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
    differs = (math.acos(min(1.0, threshold)) + 2 * BFLOAT16_ROUNDING + _ROUNDING) / math.pi
    sign_ns = _SIGN_HALF if has_bfloat16() else _SIGN_SINGLE
    most_different = _most_different(differs)
    of_pairs = _angles(vectors) / math.pi
    compared = float(np.mean(of_pairs * SKETCH_BITS <= most_different))
    cheapest, least_ns = None, n / 2 * dimension * _EACH_WITH_EACH
    for bits in range(1, _MOST_BITS + 1):
        together = (1 - differs) ** bits
        n_tables = math.ceil(math.log(MISSED / 2) / math.log1p(-together))
        if n_tables > _MOST_TABLES:
            break
        in_bucket = n / 2 * float(np.mean((1 - of_pairs) ** bits))
        of_pair = _SKETCHES + compared * dimension * _VECTORS
        buckets = 2**bits / n * _BUCKET
        of_row = buckets + _ROW + dimension * (_ROW_NUMBER + bits * sign_ns)
        ns = n_tables * (of_row + in_bucket * of_pair)
        if ns < least_ns:
            cheapest, least_ns = HashPlan(bits, n_tables, most_different), ns
    return cheapest


def _angles(vectors: Vectors) -> NDArray[np.float64]:
    """The angles of each with each of two samples."""
    step = max(1, len(vectors) // (2 * _SAMPLE))
    sample = vectors[::step][: 2 * _SAMPLE].astype(np.float64)
    angles: NDArray[np.float64] = np.arccos((sample[::2] @ sample[1::2].T).clip(-1, 1))
    return angles


def _most_different(differs: float) -> int:
    """Bits of sketches that differ more often than that with probability MISSED / 2 at most."""
    log_share, log_rest = math.log(differs), math.log1p(-differs)
    ways = math.lgamma(SKETCH_BITS + 1)
    above = 0.0
    for count in range(SKETCH_BITS, 0, -1):
        chosen = ways - math.lgamma(count + 1) - math.lgamma(SKETCH_BITS - count + 1)
        above += math.exp(chosen + count * log_share + (SKETCH_BITS - count) * log_rest)
        if above > MISSED / 2:
            return count
    return 0
