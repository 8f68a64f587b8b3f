"""Aggregates observed while an action runs over the rows, so that no second pass is needed."""

import threading
from typing import Any

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql.utils import is_remote

_TIMEOUT_S = 20.0  # from the end of a write to the arrival of its observation


class ObservedSums:
    """Aggregates over the rows of one action.

    Create it before the action, call `get` after it.
    """

    def __init__(self) -> None:
        # Spark Connect 3.5 has no Observation.
        self._observation = None if is_remote() else Observation()

    @property
    def is_supported(self) -> bool:
        """Whether this platform has observations."""
        return self._observation is not None

    def observe(self, rows: DataFrame, *aggregates: Column) -> DataFrame:
        """The rows; the next action on them also computes the aggregates, which need aliases."""
        if self._observation is None:
            return rows
        return rows.observe(self._observation, *aggregates)

    def get(self) -> dict[str, Any]:
        """Alias -> value of the aggregates; empty if the platform does not deliver them.

        Rows of a task that ran twice count twice: check a row count against another source.
        """
        observation = self._observation
        if observation is None:
            return {}
        sums: list[dict[str, Any]] = []
        # observation.get blocks, for ever if the platform never delivers: hence thread and timeout.
        waiting = threading.Thread(target=lambda: sums.append(observation.get), daemon=True)
        waiting.start()
        waiting.join(_TIMEOUT_S)
        return sums[0] if sums else {}
