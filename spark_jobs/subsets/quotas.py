"""How many rows of each class: counts in, counts out, nothing drawn yet.

Counts are maps from a class to its rows, in the order of the classes, which settles every tie.
"""

import heapq
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import TypeVar

K = TypeVar("K")


def capped(counts: Mapping[K, int], most: int) -> dict[K, int]:
    """At most `most` rows of each class."""
    return {key: min(count, most) for key, count in counts.items()}


def with_short_tail(counts: Mapping[K, int], classes: int, most: int) -> dict[K, int]:
    """At most `most` rows of each of the rarest classes (clip-beyond-tail's trimmed tails)."""
    tail = rarest(counts, classes)
    return {key: min(count, most) if key in tail else count for key, count in counts.items()}


def rarest(counts: Mapping[K, int], classes: int) -> set[K]:
    """So many classes with the fewest rows, those without any before; of equal ones the first."""
    return set(sorted(counts, key=lambda key: counts[key])[:classes])  # stable


def without_surplus(counts: Mapping[K, int], surplus: int) -> dict[K, int]:
    """Take `surplus` rows off, each from the class that then has most, never a class's last.

    Raises ValueError where that leaves too little to take.
    """
    left = dict(counts)
    order = {key: place for place, key in enumerate(left)}
    most = [(-count, order[key], key) for key, count in left.items() if count > 1]
    heapq.heapify(most)
    for _ in range(surplus):
        if not most:
            raise ValueError("every class has one row left")
        negative, place, key = most[0]
        left[key] -= 1
        if left[key] > 1:
            heapq.heapreplace(most, (negative + 1, place, key))
        else:
            heapq.heappop(most)
    return left


def shared_out(n: int, weights: Mapping[K, float]) -> dict[K, int]:
    """`n` rows in proportion to the weights, by largest remainder, so that they add up to n."""
    fractions = {key: Fraction(weight) for key, weight in weights.items()}
    total = sum(fractions.values())
    if not total:
        return dict.fromkeys(weights, 0)
    exact = {key: n * weight / total for key, weight in fractions.items()}
    shares = {key: math.floor(share) for key, share in exact.items()}
    by_remainder = sorted(weights, key=lambda key: shares[key] - exact[key])  # stable
    for key in by_remainder[: n - sum(shares.values())]:
        shares[key] += 1
    return shares


def share_of_each(counts: Mapping[K, int], fraction: float) -> dict[K, int]:
    """The fraction of each class to the nearest whole number, half to even."""
    return {key: round(fraction * count) for key, count in counts.items()}


def stratified(counts: Mapping[K, int], n: int, *, least: int) -> dict[K, int]:
    """`n` rows in proportion to the classes, of each at least `least` where it has them.

    Raises ValueError where n is less than that, or more than all rows.
    """
    floor = {key: min(least, count) for key, count in counts.items()}
    if not sum(floor.values()) <= n <= sum(counts.values()):
        raise ValueError(f"{n} is not between {sum(floor.values())} and {sum(counts.values())}")
    fixed: dict[K, int] = {}
    while True:
        open_counts = {key: count for key, count in counts.items() if key not in fixed}
        shares = shared_out(n - sum(fixed.values()), open_counts)
        below = {key: floor[key] for key, share in shares.items() if share < floor[key]}
        if not below:
            return {key: fixed[key] if key in fixed else shares[key] for key in counts}
        fixed |= below
