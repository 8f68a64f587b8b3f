"""The class frequencies of a subset: rows wanted, available and taken of each class."""

from collections.abc import Mapping, Sequence
from typing import Any

from spark_jobs.core.schemas import (
    AVAILABLE,
    CLASS,
    CLASS_IDX,
    CLASS_NAME,
    ROWS,
    SHORT,
    TAKEN,
    TARGET,
)
from spark_jobs.subsets.class_list import Class, ClassList

Frequencies = Mapping[Class, int]


def frequency_rows(
    classes: ClassList,
    target: Frequencies | None,
    available: Sequence[Frequencies],
    taken: Sequence[Frequencies],
) -> list[dict[str, Any]]:
    """Rows of schemas.CLASS_FREQUENCIES as dicts, in the order of the classes.

    available and taken: row counts by class, one mapping per source.
    """
    rows = []
    for class_idx, value in enumerate(classes):
        n_wanted = None if target is None else target.get(value, 0)
        n_available = [counts.get(value, 0) for counts in available]
        n_taken = [counts.get(value, 0) for counts in taken]
        rows.append(
            {
                CLASS: str(value),
                CLASS_IDX: class_idx,
                CLASS_NAME: classes.names[value],
                TARGET: n_wanted,
                AVAILABLE: n_available,
                TAKEN: n_taken,
                ROWS: sum(n_taken),
                SHORT: 0 if n_wanted is None else n_wanted - sum(n_taken),
            }
        )
    return rows
