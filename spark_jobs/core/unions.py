"""The union of any number of frames."""

from collections.abc import Iterable
from functools import reduce

from pyspark.sql import DataFrame


def union_all(frames: Iterable[DataFrame]) -> DataFrame:
    """The rows of all frames, whose columns stand in one order; repeated rows stay."""
    # Not DataFrame.union: the frames of Spark Connect are of another class.
    return reduce(lambda rows, more: rows.union(more), frames)
