"""Partitions that each get what is meant for them, where Spark divides rows by a hash."""

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.columns import named

_SEED = 42  # of the hash by which Spark divides rows


def repartition_evenly(rows: DataFrame, n: int, number: str) -> DataFrame:
    """`n` partitions, each of the rows of one value of `number` modulo n.

    `rows.repartition(n, number)` leaves more than a third of them empty where n numbers meet n
    partitions.
    """
    keys = ",".join(map(str, partition_keys(n).tolist()))
    of_partition = F.split(F.lit(keys), ",").cast("array<int>")  # one literal, whatever n
    place = F.pmod(named(number), F.lit(n)).cast("int")
    return rows.repartition(n, F.element_at(of_partition, place + F.lit(1)))


def partition_keys(n: int) -> NDArray[np.int32]:
    """(n,): the lowest number that Spark's hash sends to each of n partitions."""
    n_tried = 16 * n + 64
    while True:
        tried = np.arange(n_tried, dtype=np.int32)
        partitions, first = np.unique(_murmur3(tried).astype(np.int64) % n, return_index=True)
        if partitions.size == n:
            return tried[first]
        n_tried *= 2


def _murmur3(numbers: NDArray[np.int32]) -> NDArray[np.int32]:
    """Spark's hash of an int column (Murmur3, 32 bits)."""
    word = _rotated(numbers.view(np.uint32) * np.uint32(0xCC9E2D51), 15) * np.uint32(0x1B873593)
    hashed = _rotated(word ^ np.uint32(_SEED), 13) * np.uint32(5) + np.uint32(0xE6546B64)
    hashed ^= np.uint32(4)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        hashed = (hashed ^ hashed >> np.uint32(shift)) * np.uint32(factor)
    return (hashed ^ hashed >> np.uint32(16)).view(np.int32)


def _rotated(words: NDArray[np.uint32], bits: int) -> NDArray[np.uint32]:
    return words << np.uint32(bits) | words >> np.uint32(32 - bits)
