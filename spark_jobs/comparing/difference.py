"""What two subsets share and where they part: rows by side, concept and class."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, LongType, StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import named
from spark_jobs.core.schemas import (
    CLASS,
    ENTRY,
    ENTRY_COUNT,
    ENTRY_ID,
    ENTRY_IDS,
    IN_A,
    IN_B,
    IN_BOTH,
    NAME,
    UID,
)
from udfs.arrow import Batches
from udfs.balancing import EntryCounter

SIDE, BOTH, ONLY_A, ONLY_B = "side", "both", "only_a", "only_b"

_COUNTED = StructType(
    [
        StructField(SIDE, StringType()),
        StructField(ENTRY_ID, IntegerType()),
        StructField(ENTRY_COUNT, LongType()),
    ]
)


def sides(a: DataFrame, b: DataFrame, *, by: str | None = None) -> DataFrame:
    """Each uid of either, once, with the side it is on: both, only_a or only_b.

    With `by` each pair of uid and that column's value, called class, so that a row which changed
    its class is on both sides once, and never in both.
    """
    key = [F.col(UID)] if by is None else [F.col(UID), named(by).alias(CLASS)]
    of_a, of_b = (rows.select(*key).distinct() for rows in (a, b))
    marked = of_a.withColumn(SIDE, F.lit(1)).unionByName(of_b.withColumn(SIDE, F.lit(2)))
    summed = marked.groupBy(*of_a.columns).agg(F.sum(SIDE).alias(SIDE))
    names = F.array(*map(F.lit, (ONLY_A, ONLY_B, BOTH)))
    return summed.withColumn(SIDE, F.get(names, F.col(SIDE).cast("int") - 1))


def by_column(a: DataFrame, b: DataFrame, *, column: str) -> DataFrame:
    """schemas.DIFFERENCE: rows of each value of a column, such as wnid."""
    counted = sides(a, b, by=column).groupBy(CLASS, SIDE).agg(F.count("*").alias(ENTRY_COUNT))
    counted = counted.withColumn(NAME, F.col(CLASS).cast("string"))
    return _side_by_side(counted.withColumn(ENTRY_ID, F.lit(None).cast("int")))


def by_concept(of_side: DataFrame, matches: DataFrame, entries: DataFrame) -> DataFrame:
    """schemas.DIFFERENCE: captions of each entry that any of them matches.

    `of_side`: uid, side. `matches`: schemas.MATCHES. `entries`: entry_id, entry. The ids are
    counted in the tasks, never exploded into rows.
    """
    joined = matches.join(of_side, on=UID, how="inner").select(SIDE, ENTRY_IDS)
    counted = map_in_arrow(joined, _count_by_side, _COUNTED).join(
        entries.select(ENTRY_ID, ENTRY), on=ENTRY_ID, how="left"
    )
    return _side_by_side(counted.withColumnRenamed(ENTRY, NAME))


def _side_by_side(counted: DataFrame) -> DataFrame:
    def on(*names: str) -> Column:
        is_there = F.col(SIDE).isin(*names)
        return F.coalesce(F.sum(F.when(is_there, F.col(ENTRY_COUNT))), F.lit(0)).cast("long")

    return counted.groupBy(ENTRY_ID, NAME).agg(
        on(BOTH, ONLY_A).alias(IN_A), on(BOTH, ONLY_B).alias(IN_B), on(BOTH).alias(IN_BOTH)
    )


def _count_by_side(batches: Batches) -> Iterator[pa.RecordBatch]:
    counters = {side: EntryCounter() for side in (BOTH, ONLY_A, ONLY_B)}
    for batch in batches:
        for side, counter in counters.items():
            counter.add(batch.column(ENTRY_IDS).filter(pc.equal(batch.column(SIDE), side)))
    for side, counter in counters.items():
        ids, counts = counter.counts()
        columns = [
            pa.array([side] * len(ids), pa.string()),
            pa.array(ids, pa.int32()),
            pa.array(counts),
        ]
        yield pa.RecordBatch.from_arrays(columns, _COUNTED.names)
