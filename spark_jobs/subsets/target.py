"""The target of match-frequencies: how many rows of each class, from proportions and a size."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from spark_jobs.subsets.class_list import Class
from spark_jobs.subsets.shapes import as_large_as_possible, at_n_rows

# Rows in all; "largest": as many as leave no class short; None: the weights are rows.
Size: TypeAlias = int | Literal["largest"] | None


@dataclass(frozen=True)
class Target:
    """Wanted rows of each class.

    `n_without_share`: classes whose share rounds to no row. `n_without_rows`: classes left out,
    since with them no size would leave no class short: they have no rows at all.
    """

    rows: dict[Class, int]
    n_without_share: int = 0
    n_without_rows: int = 0


def target_at(weights: Mapping[Class, float], available: Mapping[Class, int], size: Size) -> Target:
    """The rows of each class in proportion to the weights, at a size.

    `available`: rows of each class that there are, used by "largest" alone.
    """
    if size is None:
        return Target({class_: int(weight) for class_, weight in weights.items()})
    without_rows = {
        class_ for class_, weight in weights.items() if weight > 0 and not available.get(class_)
    }
    if size == "largest":
        weights = {class_: 0 if class_ in without_rows else w for class_, w in weights.items()}
        rows = as_large_as_possible(weights, available)
    else:
        rows, without_rows = at_n_rows(weights, size), set()
    n_without_share = sum(weight > 0 and not rows[class_] for class_, weight in weights.items())
    return Target(rows, n_without_share, len(without_rows))
