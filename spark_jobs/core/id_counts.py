"""Counts by id over a whole table, with arrays in the shuffle in place of rows."""

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
    """kind, id, count: the sums of what `pack`, given to mapInArrow, counted in each task.

    `kinds`: what is wanted of each kind of ids. Order: undefined.
    """
    by_part = map_in_arrow(rows, pack, PACKED).repartition(PART).sortWithinPartitions(PART)
    return map_in_arrow(by_part, partial(sum_packed, kinds=kinds), ID_COUNTS)


def count_entry_ids(rows: DataFrame, pack: BatchFunction) -> DataFrame:
    """schemas.COUNTED_IDS: what `pack` counted of each entry id, only ids that occur."""
    ids = count_ids(rows, pack)
    return ids.select(F.col(ID).cast("int").alias(ENTRY_ID), F.col(COUNT).alias(ENTRY_COUNT))


def repeated_hashes(rows: DataFrame, hashed: Column, *, at_least: int = 2) -> DataFrame:
    """The 64-bit hashes that more than one row has, or `at_least` so many, in the column id."""
    return count_ids(rows.select(hashed), pack_ids, [Kind(at_least=at_least)]).select(ID)
