"""Gather the neighbours of all queries of a class, each once (unmet-promise, Geng et al. 2024)."""

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.schemas import DATASET, QUERIES, QUERY, QUERY_ID, SIMILARITY, UID

PAPERS = ("unmet-promise, semantic retrieval: the neighbours of all queries of a class",)


def union_neighbours(neighbours: Sequence[DataFrame]) -> DataFrame:
    """The union of tables of schemas.NEIGHBOURS (by text, by image): query_id, uid, similarity."""
    selected = [table.select(QUERY_ID, UID, SIMILARITY) for table in neighbours]
    return reduce(DataFrame.unionByName, selected)


def most_similar_by_class(neighbours: DataFrame, queries: DataFrame) -> DataFrame:
    """Each uid once per class, with its largest similarity to any query of the class.

    Columns dataset, query (the class), uid, similarity. neighbours: the result of
    `union_neighbours`. queries: a row per query_id with dataset and query; neighbours of other
    queries are left out.
    """
    query_classes = queries.select(QUERY_ID, *QUERIES.names)
    with_class = neighbours.join(F.broadcast(query_classes), on=QUERY_ID, how="inner")
    return with_class.groupBy(DATASET, QUERY, UID).agg(F.max(SIMILARITY).alias(SIMILARITY))
