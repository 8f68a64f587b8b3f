"""Draws: uniform numbers computed from a row's key, a purpose and a seed; no random state."""

from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from spark_jobs.core.columns import named


@dataclass(frozen=True)
class Draw:
    """A uniform number in [0, 1) for each row.

    `purpose` names the job and step that draw, so that the draws of different steps are
    independent: with equal draws, a second step that keeps small draws would keep every row that
    the first one kept. `seed` is the user's.
    """

    purpose: str
    seed: int

    def step(self, name: str) -> "Draw":
        """An independent draw for another step of the same job, with the same seed."""
        return Draw(f"{self.purpose}/{name}", self.seed)

    def of(self, *keys: str) -> Column:
        """Column of draws, a function of the key columns alone, whatever the partitioning."""
        columns = [F.lit(self.purpose), *map(named, keys), F.lit(self.seed).cast("long")]
        return F.shiftrightunsigned(F.xxhash64(*columns), 11) / F.lit(2.0**53)
