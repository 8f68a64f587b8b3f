"""Compare groups of models, each trained on its own subset, by means over seeds."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

# Student's two-sided 95 % quantiles for 1 to 10 degrees of freedom.
_T95 = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)
_Z95 = 1.959964
_SEED_SIGN = "@"


def evaluation_name(subset: str, seed: int) -> str:
    """The name of a model's evaluations, such as raw@0."""
    return f"{subset}{_SEED_SIGN}{seed}"


def subset_and_seed(name: str) -> tuple[str, str]:
    """The parts of a name such as raw@0; one is empty where it has no sign."""
    subset, _, seed = name.rpartition(_SEED_SIGN)
    return subset, seed


def subsets_of(names: Iterable[str]) -> list[str]:
    """The subsets of evaluations, in the order of their first occurrence."""
    return [*dict.fromkeys(subset_and_seed(name)[0] for name in names)]


class Evaluation(NamedTuple):
    """A measure of a model: one of `seed`, trained on `subset`."""

    subset: str
    seed: str
    task: str
    set: str
    measure: str
    value: float


class Interval(NamedTuple):
    """A mean of n values, and Student's 95 % interval; None where fewer than two were had."""

    mean: float
    low: float | None
    high: float | None
    n: int


class Compared(NamedTuple):
    """A measure of a subset's models, and how far it is above that of the first subset's.

    difference: over the seeds that both have, each paired with itself; None of the first subset,
    and where no seed is shared.
    """

    subset: str
    task: str
    set: str
    measure: str
    value: Interval
    difference: Interval | None


def compare(evaluations: Iterable[Evaluation], subsets: Sequence[str]) -> list[Compared]:
    """Each measure of each subset, in the order of `subsets` and of first occurrence.

    The first subset is what others are compared with. The 95 % intervals are Student's: of seeds,
    not of the images that the models were evaluated on.
    """
    by_measure: dict[tuple[str, str, str], dict[str, dict[str, float]]] = {}
    for row in evaluations:
        by_subset = by_measure.setdefault((row.task, row.set, row.measure), {})
        by_subset.setdefault(row.subset, {})[row.seed] = row.value
    return [
        Compared(subset, *measure, interval([*by_subset[subset].values()]), difference)
        for measure, by_subset in by_measure.items()
        for subset in subsets
        if subset in by_subset
        for difference in [_difference(by_subset, subset, subsets[0])]
    ]


def _difference(
    by_subset: Mapping[str, Mapping[str, float]], subset: str, first: str
) -> Interval | None:
    if subset == first:
        return None
    values, others = by_subset[subset], by_subset.get(first, {})
    shared = [seed for seed in values if seed in others]
    return interval([values[seed] - others[seed] for seed in shared]) if shared else None


def interval(values: Sequence[float]) -> Interval:
    """The mean of at least one value, and Student's 95 % interval around it."""
    n, mean = len(values), statistics.fmean(values)
    if n < 2:
        return Interval(mean, None, None, n)
    half = _quantile(n - 1) * statistics.stdev(values) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def _quantile(degrees: int) -> float:
    """Student's 0.975 quantile: by table, then the first terms of its series around the normal's.

    Cornish and Fisher's expansion in 1 / degrees; it is right to 1e-4 from 11 degrees on.
    """
    if degrees <= len(_T95):
        return _T95[degrees - 1]
    z = _Z95
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3
