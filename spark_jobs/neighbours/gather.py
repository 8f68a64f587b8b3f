"""What was retrieved for classes: neighbours of all their queries, each row once a class."""

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.schemas import DATASET, QUERIES, QUERY, QUERY_ID, SIMILARITY, UID


def of_classes(neighbours: Sequence[DataFrame], queries: DataFrame) -> DataFrame:
    """dataset, query (the class), uid, and its largest similarity to any query of the class.

    neighbours: tables of schemas.NEIGHBOURS, by text and by image; queries: query_id, dataset and
    query.
    """
    found = [rows.select(QUERY_ID, UID, SIMILARITY) for rows in neighbours]
    every = found[0]
    for more in found[1:]:
        every = every.unionByName(more)
    of_query = queries.select(QUERY_ID, *QUERIES.names)
    named = every.join(F.broadcast(of_query), on=QUERY_ID)
    return named.groupBy(DATASET, QUERY, UID).agg(F.max(SIMILARITY).alias(SIMILARITY))
