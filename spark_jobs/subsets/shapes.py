"""Shapes of class frequencies: flat, Zipf's, exponential, or that of another data set."""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Literal, TypeVar

from spark_jobs.subsets.quotas import shared_out

K = TypeVar("K")

Shape = Literal["flat", "zipf", "exponential"]


def shape_weights(shape: Shape, available: Mapping[K, int], exponent: float) -> dict[K, float]:
    """A weight for each class that has rows; the most frequent class gets the largest.

    With r = 0 for the most frequent of n classes: flat 1; zipf (r + 1) ** -exponent; exponential
    exp(-exponent * r / (n - 1)), so that head is exp(exponent) times tail. Of equally frequent
    classes the first in order is the more frequent one.
    """
    ranked = sorted((key for key in available if available[key]), key=lambda key: -available[key])
    last = max(len(ranked) - 1, 1)
    of: dict[K, float] = {}
    for rank, key in enumerate(ranked):
        if shape == "zipf":
            of[key] = (rank + 1) ** -exponent
        else:
            of[key] = 1.0 if shape == "flat" else math.exp(-exponent * rank / last)
    return {key: of[key] for key in available if key in of}


def at_n_rows(weights: Mapping[K, float], n: int) -> dict[K, int]:
    """The shape of the weights at `n` rows in all."""
    return shared_out(n, weights)


def as_large_as_possible(weights: Mapping[K, float], available: Mapping[K, int]) -> dict[K, int]:
    """The shape of the weights as large as the rows allow with no class short of any."""
    of = {key: Fraction(weight) for key, weight in weights.items() if weight > 0}
    if not of:
        return dict.fromkeys(weights, 0)
    scale = min(Fraction(available.get(key, 0) + 1) / weight for key, weight in of.items())
    shares = {key: math.ceil(weight * scale) - 1 for key, weight in of.items()}  # below scale
    return {key: shares.get(key, 0) for key in weights}
