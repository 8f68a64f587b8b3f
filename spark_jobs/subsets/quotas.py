"""How many rows each class gets: counts in, counts out, no rows drawn.

Counts map a class to its number of rows, in the order of the classes, which settles every tie.
"""

import heapq
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import TypeVar

K = TypeVar("K")


def capped(counts: Mapping[K, int], most: int) -> dict[K, int]:
    """Limit each class to `most` rows."""
    return {key: min(count, most) for key, count in counts.items()}


def with_short_tail(counts: Mapping[K, int], n_classes: int, most: int) -> dict[K, int]:
    """Limit the n_classes rarest classes to `most` rows each (trimmed tails, Wen et al. 2024)."""
    tail = rarest(counts, n_classes)
    return {key: min(count, most) if key in tail else count for key, count in counts.items()}


def rarest(counts: Mapping[K, int], n_classes: int) -> set[K]:
    """The n_classes classes with the fewest rows, 0 included; of equal ones the first in order."""
    return set(sorted(counts, key=lambda key: counts[key])[:n_classes])  # stable


def without_surplus(counts: Mapping[K, int], surplus: int) -> dict[K, int]:
    """Remove `surplus` rows, each from the class that is then largest, never a class's last row.

    Raises ValueError if every class is down to one row before that.
    """
    remaining = dict(counts)
    largest_first = [
        (-count, position, key)
        for position, (key, count) in enumerate(remaining.items())
        if count > 1
    ]
    heapq.heapify(largest_first)
    for _ in range(surplus):
        if not largest_first:
            raise ValueError("every class has one row left")
        negative_count, position, key = largest_first[0]
        remaining[key] -= 1
        if remaining[key] > 1:
            heapq.heapreplace(largest_first, (negative_count + 1, position, key))
        else:
            heapq.heappop(largest_first)
    return remaining


def apportion(n: int, weights: Mapping[K, float]) -> dict[K, int]:
    """Share n rows in proportion to the weights by largest remainder; the shares add up to n."""
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
    """The fraction of each class's rows, rounded to the nearest whole number (half to even)."""
    return {key: round(fraction * count) for key, count in counts.items()}


def stratified(counts: Mapping[K, int], n: int, *, least: int) -> dict[K, int]:
    """Share n rows in proportion to the counts, with at least min(least, count) of each class.

    Raises ValueError if n is less than the sum of these minimums, or more than all rows.
    """
    floor = {key: min(least, count) for key, count in counts.items()}
    if not sum(floor.values()) <= n <= sum(counts.values()):
        raise ValueError(f"{n} is not between {sum(floor.values())} and {sum(counts.values())}")
    fixed: dict[K, int] = {}
    while True:
        open_counts = {key: count for key, count in counts.items() if key not in fixed}
        shares = apportion(n - sum(fixed.values()), open_counts)
        below = {key: floor[key] for key, share in shares.items() if share < floor[key]}
        if not below:
            return {key: fixed[key] if key in fixed else shares[key] for key in counts}
        fixed |= below
