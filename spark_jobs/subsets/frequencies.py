"""Rows of each class of a subset, told class by class."""

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
    """schemas.CLASS_FREQUENCIES as dicts, in the order of the classes.

    available and taken: of each source, in order.
    """
    rows = []
    for place, value in enumerate(classes):
        wanted = None if target is None else target.get(value, 0)
        there = [counts.get(value, 0) for counts in available]
        got = [counts.get(value, 0) for counts in taken]
        rows.append(
            {
                CLASS: str(value),
                CLASS_IDX: place,
                CLASS_NAME: classes.names[value],
                TARGET: wanted,
                AVAILABLE: there,
                TAKEN: got,
                ROWS: sum(got),
                SHORT: 0 if wanted is None else wanted - sum(got),
            }
        )
    return rows
