"""Sums over the rows that an action reads, from that action, so that none is read again."""

import threading
from typing import Any

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql.utils import is_remote

_PATIENCE_S = 20.0  # between the end of a write and what was observed


class ObservedSums:
    """What one action saw of its rows: made before it, asked after it."""

    def __init__(self) -> None:
        # Spark Connect 3.5 has no observation to ask.
        self._observation = None if is_remote() else Observation()

    @property
    def is_possible(self) -> bool:
        """Whether this platform observes."""
        return self._observation is not None

    def observe(self, rows: DataFrame, *aggregates: Column) -> DataFrame:
        """The rows, whose aggregates, with aliases, the next action on them computes as well."""
        if self._observation is None:
            return rows
        return rows.observe(self._observation, *aggregates)

    def get(self) -> dict[str, Any]:
        """The aggregates by name; empty where they are not told.

        Tasks that ran twice count twice: compare with what is known otherwise.
        """
        observation = self._observation
        if observation is None:
            return {}
        sums: list[dict[str, Any]] = []
        # Asking waits, for ever where a platform runs the action but does not tell.
        asking = threading.Thread(target=lambda: sums.append(observation.get), daemon=True)
        asking.start()
        asking.join(_PATIENCE_S)
        return sums[0] if sums else {}
