"""Gather the neighbours of all queries of a class, each once (unmet-promise, Geng et al. 2024)."""

from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.core.schemas import DATASET, QUERIES, QUERY, QUERY_ID, RANK, SIMILARITY, UID
from spark_jobs.core.unions import union_all

_FIRST_RANK = "_first_rank"

PAPERS = ("unmet-promise, semantic retrieval: the neighbours of all queries of a class",)


def union_neighbours(neighbours: Sequence[DataFrame]) -> DataFrame:
    """The union of tables of schemas.NEIGHBOURS (by text, by image), without further columns."""
    selected = [table.select(QUERY_ID, UID, RANK, SIMILARITY) for table in neighbours]
    return union_all(selected)


def most_similar_by_class(neighbours: DataFrame, queries: DataFrame) -> DataFrame:
    """Each uid once per class, with its largest similarity to any query of the class, and its rank.

    Columns dataset, query (the class), rank, uid, similarity. rank: place in the class, 0 being the
    most similar; equally similar ones stand as in the searches. So a class of one query, searched
    for once, keeps its ranks. neighbours: the result of `union_neighbours`. queries: a row per
    query_id with dataset and query; neighbours of other queries are left out.
    """
    query_classes = queries.select(QUERY_ID, *QUERIES.names)
    with_class = neighbours.join(F.broadcast(query_classes), on=QUERY_ID, how="inner")
    once = with_class.groupBy(DATASET, QUERY, UID).agg(
        F.max(SIMILARITY).alias(SIMILARITY), F.min(RANK).alias(_FIRST_RANK)
    )
    most_similar_first = Window.partitionBy(DATASET, QUERY).orderBy(
        F.desc(SIMILARITY), _FIRST_RANK, UID
    )
    rank = (F.row_number().over(most_similar_first) - 1).alias(RANK)
    return once.select(DATASET, QUERY, rank, UID, SIMILARITY)
