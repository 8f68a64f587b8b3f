"""Counts per id over a whole table: tasks pack their counts, so the shuffle moves arrays."""

from collections.abc import Sequence
from functools import partial

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, IntegerType, LongType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import ENTRY_COUNT, ENTRY_ID
from udfs.arrow import BatchFunction
from udfs.id_counts import COUNT, COUNTS, ID, IDS, KIND, PART, Kind, pack_ids, sum_packed

PACKED = StructType(
    [
        StructField(PART, IntegerType()),
        StructField(IDS, BinaryType()),
        StructField(COUNTS, BinaryType()),
    ]
)
ID_COUNTS = StructType(
    [StructField(KIND, IntegerType()), StructField(ID, LongType()), StructField(COUNT, LongType())]
)


def count_ids(rows: DataFrame, pack: BatchFunction, kinds: Sequence[Kind] = (Kind(),)) -> DataFrame:
    """ID_COUNTS: sums over all tasks of the counts that `pack` (for mapInArrow) makes in each.

    `kinds`: which ids of each kind to return. Order: undefined.
    """
    by_part = map_in_arrow(rows, pack, PACKED).repartition(PART).sortWithinPartitions(PART)
    return map_in_arrow(by_part, partial(sum_packed, kinds=kinds), ID_COUNTS)


def count_entry_ids(rows: DataFrame, pack: BatchFunction) -> DataFrame:
    """schemas.COUNTED_IDS: the counts of `pack` per entry id; ids that do not occur have no row."""
    ids = count_ids(rows, pack)
    return ids.select(F.col(ID).cast("int").alias(ENTRY_ID), F.col(COUNT).alias(ENTRY_COUNT))


def repeated_hashes(rows: DataFrame, hashed: Column, *, at_least: int = 2) -> DataFrame:
    """Column id: the 64-bit hashes `hashed` that `at_least` rows share."""
    return count_ids(rows.select(hashed), pack_ids, [Kind(at_least=at_least)]).select(ID)
