"""Assign classes to rows by the labelled items whose nearest neighbours they are.

Text to text, as in LAIONet (Shirali & Hardt 2023).
"""

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

PAPERS = (
    "LAIONet, matched frequencies: classes by the labelled records that are nearest in text",
    "clip-beyond-tail, frequency matching: LAIONet by the labelled records nearest in text",
)

AssignRule = Literal["union", "greedy", "most_similar", "most_similar_published"]
_ITEM_ORDER = "item_order"
_SEARCH_ORDER = (_ITEM_ORDER, QUERY_ID, RANK)  # items in order, then the neighbours of each by rank
_PAIRS_PER_PARTITION = 1_000_000
_ASSIGNED = StructType([StructField(WNID, StringType()), StructField(UID, StringType())])


def assign(neighbours: DataFrame, rule: AssignRule, *, n_rows: int) -> DataFrame:
    """Assign rows to classes: columns wnid and uid.

    neighbours: the result of `with_query_classes`; n_rows: how many they are, about.

    - "union": a class gets the distinct neighbours of all its items.
    - "greedy": in order, each item takes its nearest neighbour that no earlier item took.
    - "most_similar": a row gets the class of the item most similar to it.
    - "most_similar_published": the same as in the published code, where a later item of a class
      overwrites the similarity of an earlier one.

    Ties between classes go to the class of the first item, in search order, that has the row as a
    neighbour. A similarity that is null or NaN is below all numbers.
    """
    last_similarity = F.max_by(_null_if_nan(SIMILARITY), F.struct(*_SEARCH_ORDER))
    rules: dict[AssignRule, Callable[[DataFrame], DataFrame]] = {
        "union": lambda rows: rows.select(WNID, UID).distinct(),
        "greedy": lambda rows: _greedy(rows, n_rows),
        "most_similar": lambda rows: _most_similar_class(rows, F.max(_null_if_nan(SIMILARITY))),
        "most_similar_published": lambda rows: _most_similar_class(rows, last_similarity),
    }
    return rules[rule](neighbours)


def _null_if_nan(column: str) -> Column:
    return F.when(~F.isnan(named(column)), named(column))


def _most_similar_class(rows: DataFrame, similarity: Column) -> DataFrame:
    """The class of each uid with the largest similarity; ties go to the first in search order.

    similarity: aggregates the similarities of the items of one class.
    """
    first_found = F.min(F.struct(*_SEARCH_ORDER)).alias("first_found")
    classes = rows.groupBy(UID, WNID).agg(similarity.alias("s"), first_found)
    best_first = Window.partitionBy(UID).orderBy(F.desc_nulls_last("s"), "first_found", WNID)
    ranked = classes.withColumn("n", F.row_number().over(best_first))
    return ranked.where("n = 1").select(WNID, UID)


def _greedy(rows: DataFrame, n_rows: int) -> DataFrame:
    """Assign on the driver, since the row that an item gets depends on all items before it.

    Spark sorts the pairs, which the driver reads one batch at a time; it keeps one uid and wnid per
    item. The JVM holds a few copies of one partition on their way.
    """
    order = (*_SEARCH_ORDER, UID)
    pairs = (
        rows.select(*_SEARCH_ORDER, WNID, UID)
        .repartitionByRange(1 + n_rows // _PAIRS_PER_PARTITION, *order)
        .sortWithinPartitions(*order)
        .select(QUERY_ID, UID, WNID)
    )
    wnid_of_uid = assign_greedily(record_batches(pairs, in_order=True))
    assigned = pd.DataFrame({WNID: wnid_of_uid.values(), UID: wnid_of_uid.keys()}, dtype=object)
    return rows.sparkSession.createDataFrame(assigned, _ASSIGNED)


def assign_greedily(batches: Iterable[pa.RecordBatch]) -> dict[str, str]:
    """Map uid -> wnid, where each item takes its first neighbour that no earlier item took.

    batches: columns query_id, uid, wnid, in search order. Holds about 250 bytes per item.
    """
    wnid_of_uid: dict[str, str] = {}
    last_served = None
    for batch in batches:
        for query, uid, wnid in zip(*(batch.column(n).to_pylist() for n in range(3)), strict=True):
            if query != last_served and uid not in wnid_of_uid:
                last_served = query
                wnid_of_uid[uid] = sys.intern(wnid)
    return wnid_of_uid


def with_query_classes(neighbours: DataFrame, items: DataFrame, key: str, order: str) -> DataFrame:
    """Add wnid and item_order of the query's item to the neighbours (schemas.NEIGHBOURS).

    items: their `key`, which is the query_id, wnid and the column `order`. Neighbours of other
    queries and of items without a class are left out.
    """
    classes = items.select(
        named(key).cast("string").alias(QUERY_ID), WNID, named(order).alias(_ITEM_ORDER)
    )
    return neighbours.join(classes.where(F.col(WNID).isNotNull()), on=QUERY_ID, how="inner")
