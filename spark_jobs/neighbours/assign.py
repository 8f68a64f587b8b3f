"""Classes of rows that were found as neighbours of labelled items (text to text, LAIONet)."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.schemas import QUERY_ID, RANK, SIMILARITY, UID, WNID
from udfs.compiled import compiled

AssignRule = Literal["union", "greedy", "most_similar", "most_similar_published"]
_ORDER = "item_order"
_ASSIGNED = StructType([StructField(WNID, StringType()), StructField(UID, StringType())])


def assign(neighbours: DataFrame, rule: AssignRule) -> DataFrame:
    """Columns wnid and uid. neighbours: schemas.NEIGHBOURS, the item's wnid and item_order.

    "union": a class gets the distinct neighbours of all its items. "greedy": in their order, each
    item takes its nearest neighbour that no item before it took. "most_similar": a row gets the
    class of the item that is most similar to it, the smallest wnid of equal ones.
    "most_similar_published": as the published code has it, which keeps of each class the
    similarity of its last item, and of equal classes the one seen first.
    """
    rules: dict[AssignRule, Callable[[DataFrame], DataFrame]] = {
        "union": lambda rows: rows.select(WNID, UID).distinct(),
        "greedy": _greedy,
        "most_similar": lambda rows: _best(rows, F.max(SIMILARITY), F.lit(0)),
        "most_similar_published": lambda rows: _best(
            rows, F.max_by(SIMILARITY, F.struct(_ORDER, RANK)), F.min(F.struct(_ORDER, RANK))
        ),
    }
    return rules[rule](neighbours)


def _best(rows: DataFrame, similarity: Column, seen: Column) -> DataFrame:
    """Of each row the class with the largest similarity, then the first seen, then by wnid."""
    classes = rows.groupBy(UID, WNID).agg(similarity.alias("s"), seen.alias("seen"))
    first = Window.partitionBy(UID).orderBy(F.desc("s"), "seen", WNID)
    ranked = classes.withColumn("n", F.row_number().over(first))
    return ranked.where("n = 1").select(WNID, UID)


def _greedy(rows: DataFrame) -> DataFrame:
    """On the driver: what an item gets depends on all items before it."""
    pairs = rows.select(_ORDER, WNID, UID, RANK).toPandas()
    pairs = pairs.sort_values([_ORDER, RANK], kind="stable")
    row, uids = pd.factorize(pairs[UID])
    item, _ = pd.factorize(pairs[_ORDER])
    taken = pairs[_take_nearest(item, row, len(uids))]
    return rows.sparkSession.createDataFrame(taken[[WNID, UID]], _ASSIGNED)


@compiled
def _take_nearest(
    item: NDArray[np.int64], row: NDArray[np.int64], n_rows: int
) -> NDArray[np.bool_]:
    """Which (item, row) pairs are taken, in the order of the items and of their neighbours."""
    is_taken = np.zeros(n_rows, np.bool_)
    chosen = np.zeros(item.size, np.bool_)
    served = -1
    for pair in range(item.size):
        if item[pair] != served and not is_taken[row[pair]]:
            served = item[pair]
            is_taken[row[pair]] = True
            chosen[pair] = True
    return chosen


def with_items(neighbours: DataFrame, items: DataFrame, order: str) -> DataFrame:
    """The neighbours with wnid and item_order of their query; others are left out.

    items: query_id or uid, wnid, and the column `order`.
    """
    key = QUERY_ID if QUERY_ID in items.columns else UID
    told = items.select(F.col(key).alias(QUERY_ID), WNID, F.col(order).alias(_ORDER))
    return neighbours.join(told.where(F.col(WNID).isNotNull()), on=QUERY_ID)
