"""Classes of rows that were found as neighbours of labelled items (text to text, LAIONet)."""

import sys
from collections.abc import Callable, Iterable
from typing import Literal

import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.core.arrow_collecting import record_batches
from spark_jobs.core.columns import named
from spark_jobs.core.schemas import QUERY_ID, RANK, SIMILARITY, UID, WNID

AssignRule = Literal["union", "greedy", "most_similar", "most_similar_published"]
_ORDER = "item_order"
_SEEN = (_ORDER, QUERY_ID, RANK)  # the order in which items, and the neighbours of each, are seen
_ASSIGNED = StructType([StructField(WNID, StringType()), StructField(UID, StringType())])


def assign(neighbours: DataFrame, rule: AssignRule) -> DataFrame:
    """Columns wnid and uid. neighbours: what `with_items` gives.

    "union": a class gets the distinct neighbours of all its items. "greedy": in their order, each
    item takes its nearest neighbour that no item before it took. "most_similar": a row gets the
    class of the item that is most similar to it, of equal ones the class seen first.
    "most_similar_published": as the published code has it, which keeps of each class the
    similarity of its last item, and of equal classes the one seen first. A class is seen first
    whose first item that has the row as a neighbour comes first. A similarity that is null or no
    number is below all.
    """
    last_similarity = F.max_by(_number(SIMILARITY), F.struct(*_SEEN))
    rules: dict[AssignRule, Callable[[DataFrame], DataFrame]] = {
        "union": lambda rows: rows.select(WNID, UID).distinct(),
        "greedy": _greedy,
        "most_similar": lambda rows: _best(rows, F.max(_number(SIMILARITY))),
        "most_similar_published": lambda rows: _best(rows, last_similarity),
    }
    return rules[rule](neighbours)


def _number(column: str) -> Column:
    return F.when(~F.isnan(named(column)), named(column))


def _best(rows: DataFrame, similarity: Column) -> DataFrame:
    """Of each row the class with the largest similarity, of equal ones the one seen first."""
    seen = F.min(F.struct(*_SEEN)).alias("seen")
    classes = rows.groupBy(UID, WNID).agg(similarity.alias("s"), seen)
    first = Window.partitionBy(UID).orderBy(F.desc_nulls_last("s"), "seen", WNID)
    ranked = classes.withColumn("n", F.row_number().over(first))
    return ranked.where("n = 1").select(WNID, UID)


def _greedy(rows: DataFrame) -> DataFrame:
    """On the driver: what an item gets depends on all items before it.

    Sorted by Spark, the pairs pass by one batch at a time; what stays is a uid and wnid an item.
    """
    pairs = rows.select(*_SEEN, WNID, UID).orderBy(*_SEEN, UID).select(QUERY_ID, UID, WNID)
    classes = take_nearest(record_batches(pairs, in_order=True))
    taken = pd.DataFrame({WNID: classes.values(), UID: classes.keys()}, dtype=object)
    return rows.sparkSession.createDataFrame(taken, _ASSIGNED)


def take_nearest(batches: Iterable[pa.RecordBatch]) -> dict[str, str]:
    """The wnid of each uid, of query_id, uid, wnid in the order of items and of their neighbours.

    Each item takes its first neighbour that is still free. Of an item's pairs only those up to that
    are looked at. Holds about 250 bytes an item.
    """
    taken: dict[str, str] = {}
    served = None
    for batch in batches:
        for query, uid, wnid in zip(*(batch.column(n).to_pylist() for n in range(3)), strict=True):
            if query != served and uid not in taken:
                served = query
                taken[uid] = sys.intern(wnid)
    return taken


def with_items(neighbours: DataFrame, items: DataFrame, key: str, order: str) -> DataFrame:
    """The neighbours, schemas.NEIGHBOURS, with wnid and item_order of their query.

    Those of other queries and of items without a class are left out. items: key, by which a query
    is called, wnid, and the column `order`; items of equal order go by their key.
    """
    classes = items.select(
        named(key).cast("string").alias(QUERY_ID), WNID, named(order).alias(_ORDER)
    )
    return neighbours.join(classes.where(F.col(WNID).isNotNull()), on=QUERY_ID, how="inner")
