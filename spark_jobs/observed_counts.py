"""Counts of entry ids gathered by the pass that writes the rows, so that none is read again."""

import threading
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType
from pyspark.sql.utils import is_remote

from spark_jobs.arrow_mapping import map_in_arrow
from spark_jobs.columns import keys, named
from spark_jobs.schemas import ENTRY_IDS
from udfs.arrow import BatchFunction, chained
from udfs.balancing import TOO_MUCH, count_along
from udfs.id_counts import from_text

_MOST_BYTES = 32 << 20  # of all tasks' counts in the driver's JVM, compressed
_PATIENCE_S = 20.0  # between the end of a write and what was observed
_ROWS, _MATCHED, _TEXTS = "rows", "matched", "texts"


class ObservedCounts:
    """What the tasks of one action counted: made before it, asked after it."""

    def __init__(self) -> None:
        # Spark Connect 3.5 has no observation to ask.
        self._observation = None if is_remote() else Observation()

    def counted(self, rows: DataFrame, match: BatchFunction, columns: StructType) -> DataFrame:
        """`rows.mapInArrow(match, columns)`, whose column entry_ids is counted by its first action.

        Spark hands what it observes to the driver, so the counts of each task travel as one text,
        in the key of a row of their own that is observed and then dropped.
        """
        if self._observation is None:
            return map_in_arrow(rows, match, columns)
        key = keys(rows)[0]
        along = map_in_arrow(
            rows,
            chained(match, partial(count_along, key=key, most_bytes=_MOST_BYTES)),
            StructType([StructField(field.name, field.dataType) for field in columns]),
        )
        is_row = F.col(ENTRY_IDS).isNotNull()
        return along.observe(
            self._observation,
            F.count(ENTRY_IDS).alias(_ROWS),
            F.count_if(F.size(ENTRY_IDS) > 0).alias(_MATCHED),
            F.concat_ws(" ", F.collect_list(F.when(~is_row, named(key)))).alias(_TEXTS),
        ).where(is_row)

    def get(self, n_rows: int, n_entries: int) -> tuple[int, NDArray[np.int64]] | None:
        """Rows with an entry, and rows by entry id, shape (n_entries,), of the `n_rows` written.

        None where that is not known: too much to hand to the driver, tasks that ran twice, or a
        platform that does not observe.
        """
        seen = self._seen()
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

    def _seen(self) -> dict[str, Any]:
        observation = self._observation
        if observation is None:
            return {}
        found: list[dict[str, Any]] = []
        # Asking waits, for ever where a platform runs the action but does not tell.
        asking = threading.Thread(target=lambda: found.append(observation.get), daemon=True)
        asking.start()
        asking.join(_PATIENCE_S)
        return found[0] if found else {}
