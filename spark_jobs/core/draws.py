"""Draws: uniform numbers that a row's key, a purpose and a seed fix, wherever they are computed."""

from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from spark_jobs.core.columns import named


@dataclass(frozen=True)
class Draw:
    """A uniform number in [0, 1) for each row.

    `purpose` names the job and step that draw, so that no two steps draw alike: a step that took
    the rows that an earlier one had kept for their small draws would not draw at all. `seed` is
    the user's.
    """

    purpose: str
    seed: int

    def step(self, name: str) -> "Draw":
        """An independent draw with the same seed, for another step of the same job."""
        return Draw(f"{self.purpose}/{name}", self.seed)

    def of(self, *keys: str) -> Column:
        """The draw of the row with these key columns, whatever the partitioning."""
        columns = [F.lit(self.purpose), *map(named, keys), F.lit(self.seed).cast("long")]
        return F.shiftrightunsigned(F.xxhash64(*columns), 11) / F.lit(2.0**53)
