"""Joins by the columns that identify a row, where a null caption_id equals a null one."""

import operator
from collections.abc import Sequence
from functools import reduce

from pyspark.sql import DataFrame

from spark_jobs.core.columns import free_name, keys, named


def joined_by_key(
    rows: DataFrame, others: DataFrame, *, how: str, also: Sequence[str] = ()
) -> DataFrame:
    """Join `others` by their `keys` and the columns `also`, adding their other columns.

    The added columns must not be in `rows`. Null keys are equal, unlike in a join on column names.
    """
    new_names = {key: free_name(rows, f"_other_{key}") for key in [*keys(others), *also]}
    renamed = others.withColumnsRenamed(new_names)
    is_same = (named(key).eqNullSafe(named(name)) for key, name in new_names.items())
    joined = rows.join(renamed, on=reduce(operator.and_, is_same), how=how)
    return joined.drop(*new_names.values())
