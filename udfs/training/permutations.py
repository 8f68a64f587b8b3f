"""Permutations computed from keys alone, the same with every version of numpy."""

import numpy as np
from numpy.typing import NDArray

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


def permutation(n: int, *keys: int) -> NDArray[np.int64]:
    """The numbers 0 to n - 1 in an order that the keys decide, shape (n,)."""
    return np.argsort(draws(np.arange(n, dtype=np.uint64), *keys), kind="stable")


def draws(values: NDArray[np.uint64], *keys: int) -> NDArray[np.uint64]:
    """A number of 64 bits for each value, by splitmix64 of the keys and the value."""
    state = np.zeros(1, np.uint64)
    for key in keys:
        state = _mixed(state + np.uint64(key & 0xFFFFFFFFFFFFFFFF) + _STEP)
    return _mixed(_mixed(values + _STEP) ^ state)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = (values ^ (values >> _SHIFTS[0])) * _FACTORS[0]
    values = (values ^ (values >> _SHIFTS[1])) * _FACTORS[1]
    return values ^ (values >> _SHIFTS[2])
