"""Measures of sentence vectors: correlation with scores, alignment and uniformity."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PAPERS = (
    "SimCSE, section 6.1: Spearman's correlation over the pairs of all sets of a task together",
    "Alignment and uniformity, section 4.1: mean squared distance of positive pairs; log of the "
    "mean of exp(-2 squared distance) over all pairs",
)
Numbers = NDArray[np.float64]
_BLOCK = 1024
_DECIMALS = 6  # cosines of equal sentences differ by rounding, whose order would be noise


def cosines(first: NDArray[Any], second: NDArray[Any]) -> Numbers:
    """The cosine of each row of one matrix and the same row of the other, (n,), to 6 decimals.

    0 where a vector has no direction.
    """
    a, b = first.astype(np.float64), second.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products = np.einsum("ij,ij->i", a, b)
    has_direction = np.isfinite(lengths) & (lengths > 0)
    values = np.divide(products, lengths, out=np.zeros(len(a)), where=has_direction)
    return np.round(values, _DECIMALS)


def spearman(values: Sequence[float] | Numbers, scores: Sequence[float] | Numbers) -> float:
    """Spearman's rank correlation, ties having their average rank; nan if all of one are equal."""
    return pearson(average_ranks(values), average_ranks(scores))


def pearson(values: Sequence[float] | Numbers, scores: Sequence[float] | Numbers) -> float:
    """Pearson's correlation; nan if all of one are equal."""
    x, y = np.asarray(values, np.float64), np.asarray(scores, np.float64)
    if np.all(x == x[0]) or np.all(y == y[0]):
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1, 1))


def average_ranks(values: Sequence[float] | Numbers) -> Numbers:
    """Ranks from 1, ascending; equal values share the mean of theirs."""
    _, group, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[group], np.float64)


def alignment(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Mean squared distance of unit vectors of positive pairs (Wang & Isola 2020); nan of none."""
    if not len(first):
        return float("nan")
    return float(np.square(_unit(first) - _unit(second)).sum(axis=1).mean())


def uniformity(vectors: NDArray[Any]) -> float:
    """Ln of the mean of exp(-2 squared distance) over all pairs of rows (Wang & Isola 2020).

    Vectors are made unit vectors; those of zeros stay. nan of fewer than two.
    """
    unit = _unit(vectors)
    n = len(unit)
    if n < 2:
        return float("nan")
    squares = np.square(unit).sum(axis=1)
    total = 0.0
    for start in range(0, n, _BLOCK):
        block, rest = unit[start : start + _BLOCK], unit[start:]
        distances = (
            squares[start : start + _BLOCK, None] + squares[None, start:] - 2 * block @ rest.T
        )
        kernel = np.exp(-2 * np.maximum(distances, 0))
        total += float(np.triu(kernel, 1).sum())
    return float(np.log(total / (n * (n - 1) / 2)))


def _unit(vectors: NDArray[Any]) -> Numbers:
    exact = vectors.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    return np.divide(exact, lengths, out=np.zeros_like(exact), where=lengths > 0)
