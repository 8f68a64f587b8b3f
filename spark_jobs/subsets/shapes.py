"""Shapes of class frequencies (flat, Zipf, exponential, or given weights) as rows per class."""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Literal, TypeVar

from spark_jobs.subsets.quotas import apportion

PAPERS = ("clip-beyond-tail, subsets: class counts of a wanted shape",)

K = TypeVar("K")

Shape = Literal["flat", "zipf", "exponential"]


def shape_weights(shape: Shape, available: Mapping[K, int], exponent: float) -> dict[K, float]:
    """A weight for each class that has rows, the largest for the most frequent class.

    With rank r = 0 for the most frequent of n classes: flat 1; zipf (r + 1) ** -exponent;
    exponential exp(-exponent * r / (n - 1)), i.e. the head is exp(exponent) times the tail.
    Equally frequent classes are ranked in their order.
    """
    ranked = sorted((key for key in available if available[key]), key=lambda key: -available[key])
    last_rank = max(len(ranked) - 1, 1)
    weights: dict[K, float] = {}
    for rank, key in enumerate(ranked):
        if shape == "zipf":
            weights[key] = (rank + 1) ** -exponent
        else:
            weights[key] = 1.0 if shape == "flat" else math.exp(-exponent * rank / last_rank)
    return {key: weights[key] for key in available if key in weights}


def at_n_rows(weights: Mapping[K, float], n: int) -> dict[K, int]:
    """Rows per class in proportion to the weights, n rows in all."""
    return apportion(n, weights)


def as_large_as_possible(weights: Mapping[K, float], available: Mapping[K, int]) -> dict[K, int]:
    """Rows per class in proportion to the weights, as many as possible with no class short."""
    positive = {key: Fraction(weight) for key, weight in weights.items() if weight > 0}
    if not positive:
        return dict.fromkeys(weights, 0)
    # The smallest scale at which a class would be one row short; shares are those just below it.
    scale = min(Fraction(available.get(key, 0) + 1) / weight for key, weight in positive.items())
    shares = {key: math.ceil(weight * scale) - 1 for key, weight in positive.items()}
    return {key: shares.get(key, 0) for key in weights}
