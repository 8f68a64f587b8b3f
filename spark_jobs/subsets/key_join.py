"""Joins by what identifies a row, where captions without an id are the same caption too."""

import operator
from collections.abc import Sequence
from functools import reduce

from pyspark.sql import DataFrame

from spark_jobs.core.columns import free_name, keys, named


def joined_by_key(
    rows: DataFrame, others: DataFrame, *, how: str, also: Sequence[str] = ()
) -> DataFrame:
    """Join others by their `keys` and the columns `also`; their other columns are new to the rows.

    A null caption_id equals a null one, which a join on names would lose.
    """
    names = {key: free_name(rows, f"_other_{key}") for key in [*keys(others), *also]}
    renamed = others.withColumnsRenamed(names)
    same = (named(key).eqNullSafe(named(name)) for key, name in names.items())
    return rows.join(renamed, on=reduce(operator.and_, same), how=how).drop(*names.values())
