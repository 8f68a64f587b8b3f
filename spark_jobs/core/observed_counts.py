"""Counts of matches per entry, observed while the matches are written: no second pass."""

from functools import partial

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import keys, named
from spark_jobs.core.observed_sums import ObservedSums
from spark_jobs.core.schemas import ENTRY_IDS
from udfs.arrow import BatchFunction, chained
from udfs.balancing import TOO_LONG, append_counts
from udfs.id_counts import counts_from_text

_MOST_BYTES = 32 << 20  # compressed counts of all tasks together, in the driver's JVM
_ROWS, _MATCHED, _TEXTS = "rows", "matched", "texts"


class ObservedCounts:
    """Rows per entry id, counted by the tasks of one action.

    Create it before the action, call `get` after it.
    """

    def __init__(self) -> None:
        self._observed = ObservedSums()

    def map_and_count(
        self, rows: DataFrame, match: BatchFunction, columns: StructType
    ) -> DataFrame:
        """`rows.mapInArrow(match, columns)`; its first action also counts column entry_ids.

        Each task adds one row without entry_ids that holds its counts as text in the key column.
        Spark collects these texts on the driver as an observation; then the rows are dropped.
        """
        if not self._observed.is_supported:
            return map_in_arrow(rows, match, columns)
        key = keys(rows)[0]
        with_task_counts = map_in_arrow(
            rows,
            chained(match, partial(append_counts, key=key, most_bytes=_MOST_BYTES)),
            StructType([StructField(field.name, field.dataType) for field in columns]),
        )
        is_row = F.col(ENTRY_IDS).isNotNull()
        return self._observed.observe(
            with_task_counts,
            F.count(ENTRY_IDS).alias(_ROWS),
            F.count_if(F.size(ENTRY_IDS) > 0).alias(_MATCHED),
            F.concat_ws(" ", F.collect_list(F.when(~is_row, named(key)))).alias(_TEXTS),
        ).where(is_row)

    def get(self, n_rows: int, n_entries: int) -> tuple[int, NDArray[np.int64]] | None:
        """(rows that match an entry, rows per entry id of shape (n_entries,)) of `n_rows` written.

        None if the counts are not available or not reliable: too large for the driver, some tasks
        ran twice, or the platform has no observations.
        """
        sums = self._observed.get()
        if sums.get(_ROWS) != n_rows:
            return None
        texts = sums[_TEXTS].split(" ") if sums[_TEXTS] else []
        if TOO_LONG in texts:
            return None
        counts = np.zeros(n_entries, np.int64)
        for text in texts:
            ids, task_counts = counts_from_text(text)
            counts[ids] += task_counts
        return sums[_MATCHED], counts
