"""Counts of entry ids gathered by the pass that writes the rows, so that none is read again."""

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
from udfs.balancing import TOO_MUCH, count_along
from udfs.id_counts import from_text

_MOST_BYTES = 32 << 20  # of all tasks' counts in the driver's JVM, compressed
_ROWS, _MATCHED, _TEXTS = "rows", "matched", "texts"


class ObservedCounts:
    """What the tasks of one action counted: made before it, asked after it."""

    def __init__(self) -> None:
        self._observed = ObservedSums()

    def map_and_count(
        self, rows: DataFrame, match: BatchFunction, columns: StructType
    ) -> DataFrame:
        """`rows.mapInArrow(match, columns)`, whose column entry_ids is counted by its first action.

        Spark hands what it observes to the driver, so the counts of each task travel as one text,
        in the key of a row of their own that is observed and then dropped.
        """
        if not self._observed.is_possible:
            return map_in_arrow(rows, match, columns)
        key = keys(rows)[0]
        along = map_in_arrow(
            rows,
            chained(match, partial(count_along, key=key, most_bytes=_MOST_BYTES)),
            StructType([StructField(field.name, field.dataType) for field in columns]),
        )
        is_row = F.col(ENTRY_IDS).isNotNull()
        return self._observed.observe(
            along,
            F.count(ENTRY_IDS).alias(_ROWS),
            F.count_if(F.size(ENTRY_IDS) > 0).alias(_MATCHED),
            F.concat_ws(" ", F.collect_list(F.when(~is_row, named(key)))).alias(_TEXTS),
        ).where(is_row)

    def get(self, n_rows: int, n_entries: int) -> tuple[int, NDArray[np.int64]] | None:
        """Rows with an entry, and rows by entry id, shape (n_entries,), of the `n_rows` written.

        None where that is not known: too much to hand to the driver, tasks that ran twice, or a
        platform that does not observe.
        """
        seen = self._observed.get()
        if seen.get(_ROWS) != n_rows:
            return None
        texts = seen[_TEXTS].split(" ") if seen[_TEXTS] else []
        if TOO_MUCH in texts:
            return None
        counts = np.zeros(n_entries, np.int64)
        for text in texts:
            ids, of_task = from_text(text)
            counts[ids] += of_task
        return seen[_MATCHED], counts
